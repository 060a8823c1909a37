#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# What a trained model says of itself: every entry of engine/model/format.h, each computed again here.
import csv
import hashlib
import importlib.util
import json
import os
import sys
import tempfile
import unittest

TRAIN, EVAL = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))

from trainer_kit import SIDE, SMALL, make_task, np, run, tensors  # noqa: E402

REFERENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../reference")


class Metadata(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.tmp.name, "dataset")
        make_task(os.path.join(cls.data, "A"), "checks", seed=1)
        make_task(os.path.join(cls.data, "B"), "stripes", seed=2)
        cls.models = {}
        cls.train("first", "-t", "A", "-me", 6)
        for kind in ("scalar", "vector"):
            cls.train(kind, "-s", "A", "-t", "B", "-f", "-w", cls.models["first"], "-me", 3, "--representation", kind,
                      "--trace", os.path.join(cls.tmp.name, "trace-" + kind))
        cls.train("tuned", "-s", "A", "-t", "B", "-f", "-w", cls.models["scalar"], "-me", 1, "-m", "FT")

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    @classmethod
    def train(cls, name, *args):
        done = run(TRAIN, "-d", cls.data, *args, *SMALL, "--output", os.path.join(cls.tmp.name, name))
        assert done.returncode == 0, done.stderr
        cls.models[name] = os.path.join(cls.tmp.name, name, "best.safetensors")

    def meta(self, name):
        return tensors(self.models[name])[1]

    def scores(self, name, task):
        """Is fake, p and log(p / (1 - p)) of the validation set, through the inference path."""
        path = os.path.join(self.tmp.name, f"{name}-{task}.csv")
        done = run(EVAL, "-d", self.data, "-t", task, "--split", "val", "-w", self.models[name], "--quiet", "--overwrite", "--csv", path,
                   "--bootstrap", 0)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path) as f:
            rows = list(csv.DictReader(f))
        return (np.array([r["label"] == "fake" for r in rows]),
                *(np.array([float(r[k]) for r in rows]) for k in ("p-fake", "logit")))

    def test_every_required_entry(self):
        for name in self.models:
            meta = self.meta(name)
            found = {k[len("cored."):] for k in meta if k.startswith("cored.")} - {"stores"}
            self.assertEqual(found, {"format", "network", "classes", "labels", "fake-class", "real-class", "input-size",
                                     "mean", "std", "threshold", "temperature", "generation", "tasks", "sha256",
                                     "header-sha256", "canary"})
            fixed = {"format": 1, "classes": 2, "labels": ["fake", "real"], "fake-class": 0, "real-class": 1,
                     "input-size": [SIDE, SIDE], "mean": [0.5] * 3, "std": [0.5] * 3, "generation": 0}
            for key, value in fixed.items():
                self.assertEqual(json.loads(meta["cored." + key]), value, key)
            self.assertEqual(meta["cored.network"], "cored-compact")
            self.assertEqual((meta["train.method"], len(meta["train.manifest"])),
                             ("FT" if name == "tuned" else "CoReD", 64))
            self.assertEqual(json.loads(meta["train.config"])["manifest"], meta["train.manifest"])

    def test_hashes(self):
        for path in self.models.values():
            with open(path, "rb") as f:
                data = f.read()
            end = 8 + int.from_bytes(data[:8], "little")
            meta = tensors(path)[1]
            self.assertEqual(hashlib.sha256(data[end:]).hexdigest(), meta["cored.sha256"])
            blank = data[:end].replace(meta["cored.header-sha256"].encode(), b"0" * 64)
            self.assertEqual(hashlib.sha256(blank).hexdigest(), meta["cored.header-sha256"])

    def test_task_history_and_matrix(self):
        self.assertEqual([t["name"] for t in json.loads(self.meta("first")["cored.tasks"])], ["A"])
        for name in ("scalar", "tuned"):
            meta = self.meta(name)
            tasks = {t["name"]: t["auc"] for t in json.loads(meta["cored.tasks"])}
            self.assertEqual(list(tasks), ["A", "B"])
            rows = json.loads(meta["train.matrix"])
            self.assertEqual([r["after"] for r in rows], ["A", "B", "B"][:len(rows)])
            self.assertEqual(rows[-1]["auc"], tasks)
            for task, auc in tasks.items():
                fake, p, _ = self.scores(name, task)
                pairs = (p[fake][:, None] > p[~fake]) + 0.5 * (p[fake][:, None] == p[~fake])
                self.assertAlmostEqual(auc, pairs.mean(), delta=0.011)  # two neighbours may swap by rounding

    def test_temperature_and_threshold_fit_the_validation_sets(self):
        for name in ("first", "scalar", "vector"):
            meta = self.meta(name)
            temperature, threshold = float(meta["cored.temperature"]), float(meta["cored.threshold"])
            parts = [self.scores(name, t["name"]) for t in json.loads(meta["cored.tasks"])]
            fake, p, z = (np.concatenate(x) for x in zip(*parts))

            def loss(scale):
                """What the fit minimizes, the prior included, at the temperature divided by scale."""
                return np.logaddexp(0, np.where(fake, -z, z) * scale).sum() + np.log(temperature / scale) ** 2 / 2

            self.assertLess(loss(1), loss(1.1) + 1e-9, name)
            self.assertLess(loss(1), loss(0.9) + 1e-9, name)
            self.assertIn(meta["train.temperature-from"], ("validation", "prior"))
            self.assertIn(int(meta["train.epoch"]), range(1, 7))
            balanced = [((p >= t)[fake].mean() + (p < t)[~fake].mean()) / 2 for t in (threshold, 0.3, 0.5, 0.7)]
            self.assertGreaterEqual(balanced[0] + 1e-9, max(balanced[1:]), name)

    def test_stores(self):
        self.assertNotIn("cored.stores", self.meta("first"))
        self.assertNotIn("cored.stores", self.meta("tuned"))
        means = {}
        for kind, width in (("scalar", 1), ("vector", 320)):
            stores = json.loads(self.meta(kind)["cored.stores"])
            self.assertEqual(stores["representation"], kind)
            counts = [[pair["count"] for pair in row] for row in stores["stores"]]
            with open(os.path.join(self.tmp.name, "trace-" + kind, "step-000000", "losses.json")) as f:
                self.assertEqual(counts, json.load(f)["teacher_stores"])
            self.assertEqual(np.shape(counts), (5, 2))
            self.assertGreater(np.sum(counts), 8)
            means[kind] = np.array([[pair["mean"] for pair in row] for row in stores["stores"]])
            self.assertEqual(means[kind].shape, (5, 2, width))
            self.assertTrue((means[kind][np.array(counts) == 0] == 0).all())
            self.assertTrue((np.abs(means[kind][np.array(counts) > 0]).max(-1) > 0).all())
        # The same teacher and data: a scalar is the mean of its vector.
        self.assertLess(np.abs(means["vector"].mean(-1) - means["scalar"][..., 0]).max(), 1e-5)

    def test_self_test(self):
        try:
            import torch
        except ImportError:
            self.skipTest("no PyTorch")
        sys.path.insert(0, REFERENCE)
        spec = importlib.util.spec_from_file_location("model_test", os.path.join(REFERENCE, "model.test.py"))
        reference = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(reference)
        for path in self.models.values():
            _, _, meta, values = reference.read(path)
            model = reference.networks.NETWORKS["cored-compact"](2)
            model.load_state_dict(values, strict=False)
            self_test = json.loads(meta["cored.canary"])
            with torch.no_grad():
                expected = reference.logits_of(model.eval(), meta, self_test["seed"])
            self.assertLess(np.abs(np.array(self_test["logits"]) - expected).max(), 1e-4 * max(1, np.abs(expected).max()))


if __name__ == "__main__":
    unittest.main(warnings="ignore")
