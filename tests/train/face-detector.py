#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Which faces cored-train and cored-eval cut out, what a model file says of it, and who notices other crops.
#
#   face-detector.py TRAIN EVAL CONVERT MODEL TASKS
#
# MODEL is the file of the model that is built in, TASKS the folder of photographs of faces.
import json
import os
import shutil
import sys
import tempfile
import unittest

TRAIN, EVAL, CONVERT, MODEL, TASKS = (os.path.abspath(sys.argv.pop(1)) for _ in range(5))

from crops import SPOT  # noqa: E402
from trainer_kit import SMALL, edit_checkpoint, np, run, sha256, tensors  # noqa: E402
from PIL import Image  # noqa: E402

NETWORK = {"margin": 0.3, "align": "none", "locator": "yunet-n"}
OTHER = "trained on other crops: "


def photographs(label):
    folder = os.path.join(TASKS, "StyleGAN", "test", label)
    names = sorted(n for n in os.listdir(folder) if n.endswith(".jpg")) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names]


def spot(path, x, y, seed):
    """A bright spot on noise: what the cascade SPOT finds."""
    j, i = np.mgrid[:160, :160]
    noise = np.random.default_rng(seed).integers(0, 12, (160, 160, 3))
    light = 235 * np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * 25 ** 2))
    Image.fromarray(np.clip(light[..., None] + noise, 0, 255).astype(np.uint8)).save(path)


class Faces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if min(len(photographs("fake")), len(photographs("real"))) < 24:
            raise unittest.SkipTest(f"no photographs in {TASKS}")
        cls.folder = tempfile.TemporaryDirectory()
        cls.tmp = cls.folder.name
        cls.cascade = cls.path("spot.xml")
        with open(cls.cascade, "w", encoding="ascii") as f:
            f.write(SPOT)
        for n, label in enumerate(("fake", "real")):
            for split, begin, end in (("train", 0, 8), ("val", 8, 14), ("test", 14, 20)):
                os.makedirs(cls.path("faces", "A", split, label))
                os.makedirs(cls.path("spots", "A", split, label))
                for i, path in enumerate(photographs(label)[begin:end]):
                    shutil.copy(path, cls.path("faces", "A", split, label))
                    spot(cls.path("spots", "A", split, label, f"p{i}q.png"), 60 + 6 * i, 70 + 30 * n, 100 * begin + 2 * i + n)
        cls.models = {}
        cls.by_network = cls.train("network", "faces", "--faces")[0]
        cls.as_they_are = cls.train("plain", "faces")[0]
        cls.by_cascade = cls.train("cascade", "spots", "--faces", "--cascade", cls.cascade, "--min-sharpness", 0)[0]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.tmp, *names)

    @classmethod
    def train(cls, name, data, *args, rc=0, epochs=1):
        done = run(TRAIN, "-d", cls.path(data), "-t", "A", "-me", epochs, *SMALL, "-o", cls.path(name), *args)
        assert done.returncode == rc, (done.returncode, done.stderr)
        return cls.path(name, "best.safetensors"), done.stderr

    def crop(self, path):
        text = tensors(path)[1].get("cored.crop")
        return text and json.loads(text)

    def test_a_model_says_how_its_faces_were_cut_out(self):
        self.assertEqual(self.crop(self.by_network), NETWORK)
        self.assertEqual(self.crop(self.by_cascade), {**NETWORK, "locator": "cascade"})
        self.assertIsNone(self.crop(self.as_they_are))
        said = {path: json.loads(tensors(path)[1]["train.config"])["crop"] for path in
                (self.by_network, self.by_cascade, self.as_they_are)}
        self.assertEqual(said[self.by_network]["sha256"], tensors(MODEL)[1]["cored.sha256"])
        self.assertEqual(said[self.by_cascade]["sha256"], sha256(self.cascade))
        self.assertIsNone(said[self.as_they_are])

    def test_the_default_is_the_network_and_a_named_cascade_goes_before(self):
        """The same bytes of weights come of the same crops."""
        weights = tensors(self.by_network)[1]["cored.sha256"]
        for i, args in enumerate((["--face-detector", "auto"], ["--face-detector", "network"], ["--face-model", MODEL])):
            path = self.train(f"same{i}", "faces", "--faces", *args)[0]
            self.assertEqual(tensors(path)[1]["cored.sha256"], weights, args)
        cascade = ["--faces", "--min-sharpness", 0, "--cascade", self.cascade]
        path = self.train("spot", "spots", *cascade, "--face-detector", "cascade")[0]
        self.assertEqual(tensors(path)[1]["cored.sha256"], tensors(self.by_cascade)[1]["cored.sha256"])
        self.assertIn("no face of 64 or more pixels was found",
                      self.train("none", "spots", "--faces", "--min-sharpness", 0, rc=1)[1])

    def test_everybody_tells_and_keeps_it(self):
        shown = run(CONVERT, "inspect", self.by_network).stdout
        self.assertRegex(shown, r"(?m)^crops: +faces found by yunet-n, margin 0.3, align none$")
        self.assertRegex(run(CONVERT, "inspect", self.as_they_are).stdout, r"(?m)^crops: +not known$")
        described = json.loads(run(CONVERT, "inspect", "--json", self.by_network).stdout)["model"]
        self.assertEqual(described["crop"], NETWORK)
        self.assertNotIn("crop", json.loads(run(CONVERT, "inspect", "--json", self.as_they_are).stdout)["model"])
        onnx, back = self.path("model.onnx"), self.path("back.safetensors")
        for command in (["export", self.by_network, "-o", onnx], ["import", onnx, "-o", back]):
            done = run(CONVERT, *command)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.crop(back), NETWORK)
        live = self.path("live.safetensors")
        self.train("published", "faces", "--faces", "--publish", live, "--min-samples", 1, "--confidence", 0)
        self.assertEqual(self.crop(live), NETWORK)
        self.assertEqual(json.loads(run(CONVERT, "inspect", "--json", live).stdout)["model"]["generation"], 1)
        for margin, warned in ((0.3, False), (0.75, True)):  # the live model is judged on the new one's crops
            done = run(TRAIN, "-d", self.path("faces"), "-t", "A", "-me", 1, *SMALL, "--faces", "--face-margin", margin,
                       "-o", self.path(f"next{margin}"), "--publish", live, "--min-samples", 1, "--confidence", 0)
            self.assertEqual(f"warning: '{live}' was {OTHER}margin 0.75 instead of 0.3;" in done.stderr, warned, done.stderr)
            self.assertEqual(OTHER in done.stderr, warned)

    def test_training_that_goes_on_with_other_crops_says_so(self):
        begin = ["--faces", "-w", self.by_network]
        self.assertNotIn(OTHER, self.train("same", "faces", *begin)[1])
        path, log = self.train("wider", "faces", *begin, "--face-margin", 0.75)
        self.assertIn(f"warning: '{self.by_network}' was {OTHER}margin 0.75 instead of 0.3;", log)
        self.assertEqual(self.crop(path), {**NETWORK, "margin": 0.75})
        spots = ["--faces", "--cascade", self.cascade, "--min-sharpness", 0]
        log = self.train("other", "spots", *spots, "-w", self.by_network)[1]
        self.assertEqual(log.count(OTHER + "faces found by cascade instead of yunet-n;"), 1, log)
        # A teacher beside a student.
        os.rename(self.path("faces", "A"), self.path("faces", "B"))
        self.addCleanup(os.rename, self.path("faces", "B"), self.path("faces", "A"))
        shutil.copytree(self.path("spots", "A"), self.path("faces", "A"))
        self.addCleanup(shutil.rmtree, self.path("faces", "A"))
        done = run(TRAIN, "-d", self.path("faces"), "-s", "B", "-t", "A", "-f", "-me", 1, *SMALL, "-o", self.path("taught"),
                   *spots, "-w", self.by_network, "--init", self.by_cascade, "--max-bad", 100)
        self.assertIn(f"warning: '{self.by_network}' was {OTHER}faces found by cascade", done.stderr)
        self.assertNotIn(f"'{self.by_cascade}' was", done.stderr)

    def test_crops_are_turned_until_the_eyes_are_level(self):
        begin = ["--faces", "-w", self.by_network]
        path, log = self.train("level", "faces", *begin, "--align", "eyes")
        self.assertIn(f"warning: '{self.by_network}' was {OTHER}align eyes instead of none;", log)
        self.assertEqual(self.crop(path), {**NETWORK, "align": "eyes"})
        # Other pixels, other weights; and the same again with the same.
        weights = {name: tensors(self.train(name, "faces", *begin, *args)[0])[1]["cored.sha256"] for name, args in
                   (("turned", ["--align", "eyes"]), ("upright", ["--align", "none"]), ("unsaid", []))}
        self.assertEqual(weights["turned"], tensors(path)[1]["cored.sha256"])
        self.assertEqual(weights["upright"], weights["unsaid"])
        self.assertNotEqual(weights["upright"], weights["turned"])
        self.assertIn("crop was {", self.train("level", "faces", *begin, "--resume", epochs=2, rc=1)[1])
        judge = [EVAL, "-m", path, "--bootstrap", 0, "-d", self.path("faces", "A", "test"), "--quiet", "--faces"]
        self.assertIn(OTHER + "align none instead of eyes;", run(*judge).stderr)
        self.assertNotIn(OTHER, run(*judge, "--align", "eyes").stderr)

    def test_a_cascade_finds_no_eyes(self):
        for command in ([TRAIN, "-t", "A", "-o", self.path("eyeless")], [EVAL, "-m", self.by_network]):
            for args in (["--cascade", self.cascade], ["--face-detector", "cascade"]):
                done = run(*command, "-d", self.path("faces"), "--faces", "--align", "eyes", *args)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("--align eyes needs the eyes, which a cascade does not find", done.stderr)
            done = run(*command, "-d", self.path("faces"), "--align", "ears")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, "--align.*none.*eyes.*ears|--align.*ears.*none.*eyes")

    def test_pictures_as_they_are_leave_what_the_model_said(self):
        path, log = self.train("kept", "faces", "-w", self.by_network)
        self.assertEqual(self.crop(path), NETWORK)
        self.assertNotIn(OTHER, log)

    def test_evaluation_with_other_crops_says_so(self):
        for command in ([EVAL, "-m", self.by_network, "--bootstrap", 0], [TRAIN, "-w", self.by_network, "--test"]):
            judge = [*command, "-d", self.path("faces", "A", "test"), "--quiet"]
            for args, text in ((["--faces"], None), ([], None),
                               (["--faces", "--face-margin", 0.5], "margin 0.5 instead of 0.3;")):
                done = run(*judge, *args)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stderr.count(OTHER), int(text is not None), done.stderr)
                self.assertIn(text or "", done.stderr)
        done = run(EVAL, "-m", self.by_network, "-m", self.by_cascade, "-d", self.path("spots", "A", "test"), "--faces",
                   "--cascade", self.cascade, "--min-sharpness", 0, "--quiet", "--bootstrap", 0)
        self.assertIn(OTHER + "faces found by cascade instead of yunet-n;", done.stderr)
        self.assertEqual(done.stderr.count(OTHER), 1, done.stderr)

    def test_a_run_is_not_resumed_with_other_crops(self):
        self.train("run", "faces", "--faces")
        for args in (["--face-margin", 0.5], ["--min-object-size", 32], ["--min-sharpness", 0.4]):
            self.assertIn("made with other settings: crop was {", self.train("run", "faces", "--faces", *args, "--resume",
                                                                             epochs=2, rc=1)[1], args)
        self.assertRegex(self.train("run", "faces", "--resume", epochs=2, rc=1)[1], r"crop was \{.*\}, now it is null")
        self.assertIn("resuming in epoch 2", self.train("run", "faces", "--faces", "--resume", epochs=2)[1])
        spots = ["--faces", "--min-sharpness", 0, "--cascade"]
        self.train("spotted", "spots", *spots, self.cascade)
        other = self.path("other.xml")
        with open(other, "w", encoding="ascii") as f:
            f.write(SPOT + "\n")
        self.assertIn(sha256(other), self.train("spotted", "spots", *spots, other, "--resume", epochs=2, rc=1)[1])

    def test_runs_of_earlier_versions_had_cascades(self):
        spots = ["--faces", "--min-sharpness", 0, "--cascade", self.cascade]
        for name, data, args, text in (("old", "faces", ["--faces"], "crop was nothing, now it is {"),
                                       ("old-spots", "spots", spots, "resuming in epoch 2"),
                                       ("old-plain", "faces", [], "resuming in epoch 2")):
            self.train(name, data, *args)
            last = self.path(name, "last.checkpoint")
            with open(last, "rb") as f:
                old = edit_checkpoint(f.read(), "cored.config", lambda config: config.pop("crop"))
            with open(last, "wb") as f:
                f.write(old)
            goes_on = text.startswith("resuming")
            log = self.train(name, data, *args, "--resume", epochs=2, rc=0 if goes_on else 1)[1]
            self.assertIn(text, log, name)
            self.assertEqual("as --face-detector cascade does" in log, not goes_on)

    def test_options_that_exclude_each_other(self):
        for args, text in ((["--face-detector", "network", "--cascade", "c.xml"], "--cascade is no file of --face-detector network"),
                           (["--face-detector", "cascade", "--face-model", "m"], "--face-model is no file of --face-detector cascade"),
                           (["--cascade", "c.xml", "--face-model", "m"], "name two face detectors: leave out one"),
                           (["--face-detector", "eyes"], "--face-detector: expected auto|network|cascade, found 'eyes'")):
            for command in ([TRAIN, "-t", "A", "-o", self.path("none")], [EVAL, "-m", self.by_network]):
                done = run(*command, "-d", self.path("faces"), *args)
                self.assertEqual((done.returncode, text in done.stderr), (2, True), done.stderr)

    def test_a_face_model_is_a_model_that_finds_faces(self):
        for path, text in ((self.by_network, "expected a model of kind 'locator', found 'classifier'"),
                           (self.path("nowhere"), "nowhere"), (self.cascade, "spot.xml")):
            for command in ([TRAIN, "-t", "A", "-o", self.path("none"), "-d", self.path("faces")],
                            [EVAL, "-m", self.by_network, "-d", self.path("faces", "A", "test")]):
                done = run(*command, "--faces", "--face-model", path)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(text, done.stderr)
                self.assertIn("--face-model takes a model that finds faces", done.stderr)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
