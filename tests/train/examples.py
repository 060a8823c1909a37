#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# The three commands of the reference implementation's README, with the program's name as the only
# change. CORED_TEST_EPOCHS: "100" runs them as they are; else that many epochs by one more flag, -me.
import os
import subprocess
import sys
import tempfile
import unittest

TRAIN, CONVERT = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
EPOCHS = os.environ.get("CORED_TEST_EPOCHS", "1")

from trainer_kit import make_task, tensors  # noqa: E402

try:
    import torch
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../reference"))
import networks  # noqa: E402


class Examples(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        data = os.path.join(self.tmp.name, "dataset")
        for name, kind, seed in (("DeepFake", "checks", 5), ("Face2Face", "stripes", 6), ("FaceSwap", "checks", 7)):
            make_task(os.path.join(data, name), kind, train=2, val=2, seed=seed)
        make_task(os.path.join(data, "TransferLearning", "FaceSwap"), "checks", train=2, seed=8, splits=("train",))
        os.rename(os.path.join(data, "DeepFake", "test"), os.path.join(data, "DeepFake", "testset"))
        os.mkdir(os.path.join(self.tmp.name, "weights"))

    def tearDown(self):
        self.tmp.cleanup()

    def main_py(self, line, shorter=EPOCHS != "100"):
        words = line.split() + ([f"-me={EPOCHS}"] if shorter else [])
        done = subprocess.run([TRAIN, *words], cwd=self.tmp.name, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def test_in_order(self):
        text = self.main_py("-s=DeepFake -d=./dataset/")
        self.assertIn("DeepFake/train: 2 fake, 2 real", text)
        self.assertIn("best: epoch", text)
        best = os.path.join(self.tmp.name, "runs", "CoReD", "DeepFake", "best.safetensors")
        meta = tensors(best)[1]
        self.assertEqual((meta["cored.network"], meta["cored.input-size"]), ("xception", "[128,128]"))
        weights = os.path.join(self.tmp.name, "weights", "bestmodel.pth")
        if EPOCHS == "100":
            subprocess.run([CONVERT, "export", best, "-o", weights], check=True, stdout=subprocess.DEVNULL)
        else:  # one step leaves batch norm without usable statistics: a network that has them
            torch.save(networks.make("xception", 1, size=64).state_dict(), weights)

        text = self.main_py("-s=Face2Face_DeepFake -t=FaceSwap -d=./dataset -w=./weights")
        self.assertIn("TransferLearning/FaceSwap/train: 2 fake, 2 real", text)
        for name in ("FaceSwap", "Face2Face", "DeepFake"):
            self.assertRegex(text, rf"{name} \d+\.\d% AUC")
        self.assertTrue(os.path.exists(os.path.join(self.tmp.name, "runs", "CoReD", "Face2Face_DeepFake_FaceSwap",
                                                    "best.safetensors")))

        text = self.main_py("-d=./dataset/DeepFake/testset -w=./weights/bestmodel.pth --test", shorter=False)
        for word in ("accuracy", "AUC", "EER", "precision"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
