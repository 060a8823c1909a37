#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# What happens where two models meet: publishing over a live one, a teacher beside a student, one model
# at two input sizes.
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

TRAIN, EVAL, CONVERT = (os.path.abspath(sys.argv.pop(1)) for _ in range(3))

from trainer_kit import SIDE, SMALL, make_task, run, sha256, tensors  # noqa: E402

SIZED = [x for x in SMALL if x not in ("--input-size", SIDE)]


def edit(path, out, changes):
    """A copy of a model file with other values of the same length in its metadata, sealed again."""
    import hashlib
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    head = data[8:8 + n].decode()
    for old, new in changes:
        assert head.count(old) == 1 and len(old) == len(new), (old, head[:2000])
        head = head.replace(old, new)
    meta = json.loads(head)["__metadata__"]
    digits = meta["cored.header-sha256"]
    sealed = head.replace(digits, "0" * 64).encode()
    sha = hashlib.sha256(struct.pack("<Q", n) + sealed).hexdigest()
    with open(out, "wb") as f:
        f.write(data[:8] + head.replace(digits, sha).encode() + data[8 + n:])


class Publish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.shared.name, "dataset")
        make_task(os.path.join(cls.data, "A"), "checks", val=24, seed=1)
        make_task(os.path.join(cls.data, "B"), "stripes", val=24, seed=2)
        # Nothing can be learned here: fake and real are drawn alike.
        make_task(os.path.join(cls.data, "N"), "real", val=24, seed=5)
        make_task(os.path.join(cls.data, "S"), "checks", val=6, seed=6)
        cls.poor, cls.good = (os.path.join(cls.shared.name, name) for name in ("poor", "good"))
        cls.train("-t", "N", "-me", 1, "--output", cls.poor)
        cls.train("-t", "A", "-me", 12, "--output", cls.good)

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    @classmethod
    def train(cls, *args, rc=0, small=SMALL):
        done = run(TRAIN, "-d", cls.data, *args, *small)
        assert done.returncode == rc, f"exit {done.returncode}: {done.stderr}"
        return done.stderr

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.out = os.path.join(self.tmp.name, "run")
        self.live = os.path.join(self.tmp.name, "live.safetensors")

    def tearDown(self):
        self.tmp.cleanup()

    def put_live(self, run_folder, changes=()):
        edit(os.path.join(run_folder, "best.safetensors"), self.live, changes)
        return sha256(self.live)

    def test_the_live_file_is_what_has_to_be_beaten(self):
        """A better live model stays, whatever the teacher is worth; a worse one goes."""
        before = self.put_live(self.good)
        args = ("-t", "A", "-me", 1, "--publish", self.live)
        log = self.train(*args, "-lr", 1e-6, "--output", self.out, rc=4)
        self.assertRegex(log, r"new task A: AUC 0\.\d+ is not better than the [01]\.\d+ of the live model")
        self.assertEqual(sha256(self.live), before)
        self.put_live(self.poor)
        log = self.train("-t", "A", "-me", 12, "--publish", self.live, "--output", self.out + "2")
        self.assertIn("generation 1", log)
        self.assertRegex(log, r"A: AUC \S+ \(the live model: \S+\), false alarms \S+ %")

    def test_first_publication(self):
        log = self.train("-t", "N", "-me", 1, "-lr", 1e-6, "--publish", self.live, "--output", self.out, rc=4)
        self.assertRegex(log, r"0\.5 of guessing")
        self.assertFalse(os.path.exists(self.live))
        log = self.train("-t", "A", "-me", 12, "--publish", self.live, "--output", self.out + "2")
        self.assertIn("generation 1", log)
        # Beside a teacher the teacher stands in for the live model that is not there.
        os.unlink(self.live)
        log = self.train("-s", "A", "-t", "B", "-f", "-w", self.good, "-m", "FT", "-lr", 0.03, "-me", 4, "--cutmix", "none",
                         "--publish", self.live, "--output", self.out + "3", rc=4)
        self.assertRegex(log, r"old task A: AUC fell from|false alarms rose|misses rose")
        self.assertIn("(the model of -w: ", log)

    def test_too_few_samples(self):
        log = self.train("-t", "S", "-me", 12, "--publish", self.live, "--output", self.out, rc=4)
        self.assertIn("task S: 6 real and 6 fake validation samples", log)
        self.assertIn("20 real and 20 fake ones are needed", log)

    def test_live_model_of_another_input(self):
        """Each is judged through its own preprocessing, so the size of the live model does not matter."""
        big = os.path.join(self.tmp.name, "big")
        self.train("-t", "A", "-me", 6, "--input-size", 48, "--output", big, small=SIZED)
        self.put_live(big)
        log = self.train("-t", "A", "-me", 1, "-lr", 1e-6, "--publish", self.live, "--output", self.out, rc=4)
        self.assertIn("input 48 x 48, mean 0.5 0.5 0.5", log)
        self.assertLess(log.index("input 48 x 48"), log.index("epoch 1"), "noticed after the training only")
        told = float(re.search(r"A: AUC \S+ \(the live model: ([\d.]+)\)", log)[1])
        done = run(EVAL, "-w", self.live, "-d", self.data, "-t", "A", "--split", "val", "--bootstrap", 0, "--quiet",
                   "--json", os.path.join(self.tmp.name, "r.json"))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.tmp.name, "r.json")) as f:
            self.assertAlmostEqual(told, json.load(f)["auc_matrix"][0][0], places=3)

    def test_live_model_whose_input_does_not_fit(self):
        """Frames that fit the memory at the new model's size, but not at the live one's: told before training."""
        big, data = (os.path.join(self.tmp.name, name) for name in ("big", "data"))
        self.train("-t", "A", "-me", 1, "--input-size", 48, "--output", big, small=SIZED)
        self.put_live(big)
        shutil.copytree(os.path.join(self.data, "A"), os.path.join(data, "A"))
        video = ("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25", "-frames:v", "60",
                 "-c:v", "mjpeg", os.path.join(data, "A", "val", "fake", "v.avi"))
        if not shutil.which(video[0]):
            self.skipTest("no ffmpeg program")
        subprocess.run(video, check=True)
        done = run(TRAIN, "-d", data, "-t", "A", "-me", 1, "--whole-frames", "--frame-step", 1, "--max-frames", 60,
                   "--cache", 1, "--publish", self.live, "--output", self.out, *SMALL)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("input 48 x 48", done.stderr)
        self.assertNotIn("epoch 1", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.out, "best.safetensors")))

    def test_live_model_that_cannot_be_read(self):
        with open(self.live, "wb") as f:
            f.write(b"not a model" * 10)
        log = self.train("-t", "A", "-me", 1, "--publish", self.live, "--output", self.out, rc=1)
        self.assertIn("the live model cannot be read", log)
        self.assertNotIn("best:", log)  # said before the training, not after it

    def test_the_highest_generation(self):
        self.put_live(self.poor)
        tensors(self.live)
        with open(self.live, "rb") as f:
            data = f.read()
        n = struct.unpack("<Q", data[:8])[0]
        head = data[8:8 + n].decode()
        # Room for the digits: the header is padded with blanks.
        big = '"cored.generation":"9223372036854775807"'
        padded = head.replace('"cored.generation":"0"', big)
        self.assertNotEqual(padded, head)
        body = data[8 + n:]
        padded = padded.rstrip(" ")
        padded += " " * (-len(padded) % 8)
        with open(self.live, "wb") as f:
            f.write(struct.pack("<Q", len(padded)) + padded.encode() + body)
        edit(self.live, self.live + ".sealed", [])
        os.replace(self.live + ".sealed", self.live)
        before = sha256(self.live)
        log = self.train("-t", "A", "-me", 12, "--publish", self.live, "--output", self.out, rc=1)
        self.assertIn("the highest generation that there is, 9223372036854775807: nothing was published", log)
        self.assertEqual(sha256(self.live), before)

    def test_side_files_do_not_go_through_links(self):
        self.put_live(self.good)
        precious = os.path.join(self.tmp.name, "precious")
        with open(precious, "w") as f:
            f.write("precious")
        names = [self.live + ".rejected", self.live + ".rejected.txt"]
        os.mkdir(self.out)
        names += [os.path.join(self.out, n) for n in ("report.html", "history.csv", "best.safetensors", "last.checkpoint")]
        for name in names:
            os.symlink(precious, name)
        self.train("-t", "A", "-me", 1, "-lr", 1e-6, "--publish", self.live, "--output", self.out, "--overwrite", rc=4)
        outputs = [os.path.join(self.tmp.name, n) for n in ("r.json", "r.csv", "r.html")]
        for name in outputs:
            os.symlink(precious, name)
        judge = (EVAL, "-w", self.out, "-d", self.data, "-t", "A", "--split", "val", "--bootstrap", 0, "--quiet", "--json",
                 outputs[0], "--csv", outputs[1], "--html", outputs[2])
        done = run(*judge)
        self.assertEqual(done.returncode, 2)
        self.assertIn("there already (--overwrite replaces it): '" + outputs[0], done.stderr)
        done = run(*judge, "--overwrite")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(precious) as f:
            self.assertEqual(f.read(), "precious")
        for name in names + outputs:
            self.assertTrue(os.path.isfile(name) and not os.path.islink(name), name)
        self.assertIn("train.rejected", tensors(self.live + ".rejected")[1])

    def test_teacher_and_student_are_fed_alike(self):
        big = os.path.join(self.tmp.name, "big")
        self.train("-t", "A", "-me", 1, "--input-size", 48, "--output", big, small=SIZED)
        second = ("-s", "A", "-t", "B", "-f", "-w", self.good, "-me", 1, "--output", self.out)
        init = ("--init", os.path.join(big, "best.safetensors"))
        log = self.train(*second, *init, rc=1, small=SIZED)
        self.assertIn("input 48 x 48", log)
        self.assertIn("the teacher -w '" + self.good + "' has input 32 x 32", log)
        self.assertIn("--input-size N gives both the same size", log)
        other = os.path.join(self.tmp.name, "other.safetensors")
        pth = os.path.join(self.tmp.name, "good.pth")
        done = run(CONVERT, "export", os.path.join(self.good, "best.safetensors"), "-o", pth)
        self.assertEqual(done.returncode, 0, done.stderr)
        for option, value, text in (("--mean", "0.4,0.5,0.5", "mean 0.4 0.5 0.5"), ("--std", "0.5,0.5,0.6", "std 0.5 0.5 0.6"),
                                    ("--labels", "real,fake", "real, fake (real is the real one)")):
            done = run(CONVERT, "import", pth, "-o", other, option, value)
            self.assertEqual(done.returncode, 0, done.stderr)
            log = self.train(*second, "--init", other, rc=1)
            self.assertIn(text, log)
            # A run does not go on from a model that sees or names things otherwise.
            resumed = ("-t", "A", "-me", 2, "--init", other, "--output", self.out + "r", "--overwrite", "--resume", self.good)
            self.assertIn("made with other settings", self.train(*resumed, rc=1))
            os.unlink(other)
        self.train(*second, *init)  # SMALL says --input-size for both

    def test_input_size_of_a_model_that_carries_none(self):
        pth = os.path.join(self.tmp.name, "m.pth")
        self.train("-t", "A", "-me", 6, "--export-pth", pth, "--output", self.out)
        test = os.path.join(self.data, "A", "test")

        def auc(program, model, *args):
            extra = ("--test",) if program == TRAIN else ()
            done = run(program, "-w", model, "-d", test, "--quiet", *extra, *args)
            self.assertEqual(done.returncode, 0, done.stderr)
            return re.search(r"AUC +(\S+)", done.stdout)[1]
        want = auc(EVAL, os.path.join(self.out, "best.safetensors"))
        for program in (TRAIN, EVAL):
            self.assertEqual(auc(program, pth, "--input-size", SIDE), want, program)
            self.assertNotEqual(auc(program, pth, "--input-size", 16), want, program)
        done = run(TRAIN, "-w", pth, "-d", test, "--test", "-n", "Meso4")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the command line asks for meso4", done.stderr)

    def test_separable_data_say_that_they_cannot_tell(self):
        log = self.train("-t", "A", "-me", 12, "--select", "auc", "--output", self.out)
        meta = tensors(os.path.join(self.out, "best.safetensors"))[1]
        if "AUC 1.0000  *" not in log:
            self.skipTest("the network did not separate the two classes")
        told = meta["train.temperature-from"]
        self.assertIn(told, ("prior", "validation"))
        self.assertEqual(told == "prior", "cannot tell the temperature" in log)
        self.assertTrue(0.051 < float(meta["cored.temperature"]) < 19.9)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
