# SPDX-License-Identifier: MIT
"""What cored-train and cored-eval write beside models and checkpoints: reports, event files, files
for PyTorch.

    outputs.py CORED_TRAIN CORED_EVAL
"""
import collections
import csv
import os
import re
import struct
import sys
import tempfile
import unittest

import trainer_kit as kit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools/report"))
import reading  # noqa: E402

TRAIN, EVAL = sys.argv[1:3]


def read_page(path):
    with open(path, encoding="utf-8") as f:
        page = f.read()
    checker = reading.Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == [], checker.open
    return checker, " ".join("".join(checker.text).split()), page


def read_events(folder):
    """{tag: [(step, value), ...]} of the one file in folder."""
    (name,) = os.listdir(folder)
    with open(os.path.join(folder, name), "rb") as f:
        events = [reading.fields(r) for r in reading.records(f.read())]
    points = {}
    for event in events[1:]:
        value = reading.fields(reading.fields(event[5])[1])
        points.setdefault(value[1].decode(), []).append(
            (event.get(2, 0), struct.unpack("<f", value[2])[0]))
    return points


class Outputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.where = tempfile.TemporaryDirectory()
        cls.data = cls.where.name
        kit.make_task(os.path.join(cls.data, "A"), "checks", val=10)
        kit.make_task(os.path.join(cls.data, "B"), "stripes", val=10, seed=2)
        cls.first, cls.second = (os.path.join(cls.data, n) for n in ("run1", "run2"))
        cls.pth = os.path.join(cls.data, "best.pth")
        cls.train("-t", "A", "-o", cls.first, "-me", 2)
        cls.train("-s", "A", "-t", "B", "-f", "-m", "KD", "-o", cls.second, "-me", 3, "-w",
                  cls.best(cls.first), "--tensorboard", os.path.join(cls.data, "events"),
                  "--export-pth", cls.pth)

    @classmethod
    def tearDownClass(cls):
        cls.where.cleanup()

    @classmethod
    def train(cls, *arguments):
        done = kit.run(TRAIN, "-d", cls.data, *kit.SMALL, *arguments)
        assert done.returncode == 0, done

    @staticmethod
    def best(folder):
        return os.path.join(folder, "best.safetensors")

    def test_report_of_a_run(self):
        checker, text, page = read_page(os.path.join(self.second, "report.html"))
        self.assertIn("Training on B", text)
        self.assertIn("KD, started from " + self.best(self.first), text)
        self.assertIn("48 samples", text)
        for part in ("forgetting", "after B, on B", "after B, on A", "Course of training"):
            self.assertIn(part, text)
        self.assertEqual(checker.tags["svg"], 3 + 2 * 2)  # three courses, two charts a task
        _, meta = kit.tensors(self.best(self.second))
        self.assertIn(meta["cored.sha256"], text)
        rows = re.findall(r"<tr><th>([AB])</th><td class='(heat|none)", page)
        self.assertEqual([name for name, _ in rows], ["A", "B"])

    def test_events_are_the_history(self):
        points = read_events(os.path.join(self.data, "events"))
        with open(os.path.join(self.second, "history.csv"), encoding="utf-8") as f:
            history = list(csv.DictReader(f))
        self.assertEqual([step for step, _ in points["train/total"]], [1, 2, 3])
        for task in "AB":
            self.assertEqual(len(points[f"val/{task}/auc"]), 3)
        for row, (_, value) in zip(history, points["train/total"]):
            self.assertAlmostEqual(float(row["loss"]), value, places=4)
        self.assertTrue(any(value > 0 for _, value in points["train/distillation"]))

    def test_file_for_pytorch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("no PyTorch")
        state = torch.load(self.pth)
        expected, _ = kit.tensors(self.best(self.second))
        self.assertEqual(set(state), set(expected))
        for name, values in expected.items():
            self.assertTrue((state[name].numpy() == values).all(), name)

    def test_report_of_an_evaluation(self):
        path = os.path.join(self.data, "eval.html")
        table = os.path.join(self.data, "eval.csv")
        done = kit.run(EVAL, "--quiet", "--overwrite", "--html", path, "--csv", table, "-d", self.data, "--tasks", "A,B", "-w",
                       self.best(self.first), "-w", self.best(self.second))
        self.assertEqual(done.returncode, 0, done)
        checker, text, _ = read_page(path)
        for part in ("after A, on A", "after A, on B", "after B, on A", "after B, on B",
                     "backward transfer"):
            self.assertIn(part, text)
        self.assertEqual(checker.tags["svg"], 2 * 4)
        self.assertEqual(len(checker.pictures), self.count_shown(table))
        for picture in checker.pictures:
            width, height, _ = reading.read_png(picture)
            self.assertEqual((width, height), (kit.SIDE, kit.SIDE))

    def count_shown(self, table):
        """Of every model and task the up to 12 worst samples on the wrong side of its threshold."""
        thresholds = [float(kit.tensors(self.best(run))[1]["cored.threshold"])
                      for run in (self.first, self.second)]
        wrong = collections.Counter()
        with open(table, encoding="utf-8") as f:
            for row in csv.DictReader(f):
                called_fake = float(row["p-fake"]) >= thresholds[int(row["model"]) - 1]
                wrong[row["model"], row["task"]] += called_fake != (row["label"] == "fake")
        return sum(min(12, n) for n in wrong.values())

    def test_unwritable_files(self):
        done = kit.run(EVAL, "--quiet", "--html", os.path.join(self.data, "no/such/x.html"), "-d",
                       self.data, "--tasks", "A", "-w", self.best(self.first))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no/such/", done.stdout + done.stderr)
        done = kit.run(TRAIN, "-d", self.data, *kit.SMALL, "-t", "A", "-me", 1, "-o",
                       os.path.join(self.data, "run3"), "--tensorboard", "/dev/null/x")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/dev/null/x", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
