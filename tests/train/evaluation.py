#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# cored-eval and cored-train --test: their figures against scikit-learn on their own list of scores, the
# matrix, and the files they write.
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TRAIN, EVAL = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))

from trainer_kit import SMALL, make_task, np, run, sha256, tensors  # noqa: E402

try:
    from sklearn import metrics as sk
except ImportError as missing:
    print("skipped: no", missing.name)
    sys.exit(77)


def table(rows):
    """Is fake, p and log(p / (1 - p)) of the rows of a CSV file."""
    return (np.array([r["label"] == "fake" for r in rows]),
            *(np.array([float(r[k]) for r in rows]) for k in ("p-fake", "logit")))


def divide_temperature(model, out, factor):
    """The same model, surer by this factor."""
    with open(model, "rb") as f:
        data = f.read()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    meta = header["__metadata__"]
    meta["cored.temperature"] = repr(float(meta["cored.temperature"]) / float(factor))
    meta["cored.header-sha256"] = "0" * 64
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    head = head.replace(b"0" * 64, hashlib.sha256(head).hexdigest().encode())
    with open(out, "wb") as f:
        f.write(head + data[end:])


class Evaluation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.tmp.name, "dataset")
        make_task(os.path.join(cls.data, "A"), "checks", val=20, seed=1)
        make_task(os.path.join(cls.data, "B"), "stripes", val=20, seed=2)
        for i in range(20):  # pairs are one person each
            for label in ("fake", "real"):
                folder = os.path.join(cls.data, "B", "test", label)
                os.rename(os.path.join(folder, f"x{i:03}z.png"),
                          os.path.join(folder, f"id{i // 2:02}{label[0]}_{i % 2}.png"))
        cls.models = [os.path.join(cls.tmp.name, n) for n in ("one", "two")]
        done = run(TRAIN, "-t", "A", "-d", cls.data, "-me", 5, "--output", cls.models[0], *SMALL)
        assert done.returncode == 0, done.stderr
        done = run(TRAIN, "-s", "A", "-t", "B", "-f", "-m", "FT", "-w", cls.models[0], "-d", cls.data, "-me", 2,
                   "--output", cls.models[1], *SMALL)
        assert done.returncode == 0, done.stderr
        cls.files = {k: os.path.join(cls.tmp.name, "report." + k) for k in ("json", "csv", "html")}
        done = run(EVAL, "-d", cls.data, "-t", "A,B", "-w", cls.models[0], "-w", cls.models[1], "--quiet",
                   *[x for k, f in cls.files.items() for x in ("--" + k, f)])
        assert done.returncode == 0, done.stderr
        cls.text = done.stdout
        with open(cls.files["json"]) as f:
            cls.json = json.load(f)
        with open(cls.files["csv"]) as f:
            cls.rows = list(csv.DictReader(f))

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def cell(self, model, task):
        return next(c for c in self.json["results"] if (c["model"], c["task"]) == (model, task))

    def scores(self, model, task):
        """Is fake, p, log(p / (1 - p)) and group of every sample. Near 1 p holds nothing of 1 - p, so what
        depends on it is computed from the logit."""
        rows = [r for r in self.rows if (r["model"], r["task"]) == (str(model + 1), task)]
        return (*table(rows), [r["group"] for r in rows])

    def check_figures(self, m, threshold, fake, p, logit):
        """Both sides have the same numbers to 17 digits, so that only the rounding of sums in double remains."""
        same = {"auc": sk.roc_auc_score(fake, p), "ap": sk.average_precision_score(fake, p),
                "brier": np.mean((p - fake) ** 2), "log_loss": np.logaddexp(0, np.where(fake, -logit, logit)).mean(),
                "accuracy": sk.accuracy_score(fake, logit > 0),
                "accuracy_at_threshold": sk.accuracy_score(fake, p >= threshold)}
        for name, value in same.items():
            self.assertAlmostEqual(m[name], value, delta=1e-12 * max(1, value), msg=name)
        self.assertAlmostEqual(m["classes"]["fake"]["recall"], sk.recall_score(fake, logit > 0), 12)

    def test_figures_are_those_of_scikit_learn(self):
        for model in (0, 1):
            for task in "AB":
                fake, p, logit, _ = self.scores(model, task)
                np.testing.assert_allclose(p, 1 / (1 + np.exp(-logit)), rtol=1e-15 * max(1, abs(logit).max()))
                m = self.cell(model, task)["metrics"]
                self.assertEqual(m["n"], 40)
                self.check_figures(m, self.json["models"][model]["threshold"], fake, p, logit)
                low, high = m["auc_interval"]
                self.assertTrue(low <= m["auc"] <= high)

    def test_figures_of_a_model_that_is_sure(self):
        """Probabilities whose distance from 1 is less than nine digits show."""
        sharp = os.path.join(self.tmp.name, "sharp.safetensors")
        logit = self.scores(0, "B")[2]
        divide_temperature(os.path.join(self.models[0], "best.safetensors"), sharp, 19 / logit.max())
        files = {k: os.path.join(self.tmp.name, "sharp." + k) for k in ("json", "csv")}
        done = run(EVAL, "-d", self.data, "-t", "B", "-w", sharp, "--quiet", "--overwrite", "--json", files["json"], "--csv",
                   files["csv"])
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(files["json"]) as f:
            report = json.load(f)
        with open(files["csv"]) as f:
            fake, p, logit = table(list(csv.DictReader(f)))
        self.assertTrue(0 < 1 - p.max() < 1e-8, p.max())
        self.check_figures(report["results"][0]["metrics"], report["models"][0]["threshold"], fake, p, logit)

    def test_groups(self):
        fake, _, logit, groups = self.scores(1, "B")
        self.assertEqual(len(set(groups)), 20)
        by_group = self.cell(1, "B")["by_group"]
        self.assertEqual(by_group["n"], 20)
        means = {}
        for g, f, z in zip(groups, fake, logit):
            means.setdefault((g, f), []).append(z)
        want = sk.roc_auc_score([f for _, f in means], [np.mean(z) for z in means.values()])
        self.assertAlmostEqual(by_group["auc"], want, 6)
        self.assertIsNone(self.cell(1, "A")["by_group"])

    def test_matrix(self):
        a = np.array(self.json["auc_matrix"])
        for i in (0, 1):
            for j, task in enumerate("AB"):
                self.assertEqual(a[i, j], self.cell(i, task)["metrics"]["auc"])
        last = self.json["continual"][1]
        self.assertAlmostEqual(last["average_auc"], a[1].mean(), 9)
        self.assertAlmostEqual(last["forgetting"], a[0, 0] - a[1, 0], 9)
        self.assertAlmostEqual(last["backward_transfer"], a[1, 0] - a[0, 0], 9)
        self.assertIsNone(self.json["continual"][0]["forgetting"])
        self.assertIn("after B", self.text)

    def test_what_was_judged_is_named(self):
        for model, entry in zip(self.models, self.json["models"]):
            self.assertEqual(entry["sha256"], sha256(os.path.join(model, "best.safetensors")))
        self.assertEqual([t["name"] for t in self.json["models"][1]["tasks"]], ["A", "B"])
        self.assertTrue(all(len(t["manifest"]) == 64 for t in self.json["tasks"]))

    def test_what_was_published_is_what_was_judged(self):
        live, report = (os.path.join(self.tmp.name, n) for n in ("live.safetensors", "live.json"))
        out = os.path.join(self.tmp.name, "published")
        done = run(TRAIN, "-t", "A", "-d", self.data, "-me", 5, "--output", out, "--publish", live, *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        best, published = (tensors(os.path.join(out, "best.safetensors")), tensors(live))
        self.assertEqual(best[1]["cored.sha256"], published[1]["cored.sha256"])  # the weights that were judged
        done = run(EVAL, "-d", self.data, "-t", "A", "-w", live, "--quiet", "--overwrite", "--json", report)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(report) as f:
            self.assertEqual(json.load(f)["models"][0]["sha256"], sha256(live))

    def test_html_stands_alone(self):
        with open(self.files["html"]) as f:
            html = f.read()
        self.assertIn("<svg", html)
        self.assertIn("after B", html)
        self.assertNotRegex(html, r'(src|href)="(?!data:|#)')
        self.assertNotIn("<script", html)

    def test_test_mode_agrees(self):
        done = run(TRAIN, "--test", "-w", self.models[1], "-d", os.path.join(self.data, "A", "test"), "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        auc = float(re.search(r"^AUC +([\d.]+)", done.stdout, re.M)[1])
        self.assertAlmostEqual(auc, self.cell(1, "A")["metrics"]["auc"], 4)

    def test_pytorch_file_and_back(self):
        pth = os.path.join(self.tmp.name, "best.pth")
        done = run(TRAIN, "-t", "A", "-d", self.data, "-me", 1, "-n", "Compact", "-nb", 8, "--quiet",
                   "--output", os.path.join(self.tmp.name, "meso"), "--export-pth", pth)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.getsize(pth) > 10000)
        done = run(TRAIN, "--test", "-w", pth, "-d", os.path.join(self.data, "A", "test"), "--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("AUC", done.stdout)

    def judge(self, *args, rc=0):
        """Standard output and the JSON of one call."""
        report = os.path.join(self.tmp.name, "judged.json")
        done = run(EVAL, *args, "--quiet", "--overwrite", "--json", report)
        self.assertEqual(done.returncode, rc, done.stderr)
        with open(report) as f:
            return done.stdout, json.load(f)

    def test_decisions_at_the_models_own_threshold(self):
        for model in (0, 1):
            for task in "AB":
                fake, p = self.scores(model, task)[:2]
                m = self.cell(model, task)["metrics"]
                called = p >= self.json["models"][model]["threshold"]
                want = sk.confusion_matrix(fake, called)
                got = m["confusion_at_threshold"]
                self.assertEqual([[got[t][c] for c in ("real", "fake")] for t in ("real", "fake")], want.tolist())
                self.assertAlmostEqual(m["fnr_at_threshold"], want[1, 0] / want[1].sum(), 9)
                self.assertAlmostEqual(m["balanced_accuracy_at_threshold"], sk.balanced_accuracy_score(fake, called), 9)
                shown = (f"accuracy   {m['accuracy_at_threshold']:.4f}   balanced "
                         f"{m['balanced_accuracy_at_threshold']:.4f}   at the model's threshold ")
                self.assertIn(shown, self.text)
                self.assertIn(f"           {m['accuracy']:.4f}   balanced {m['balanced_accuracy']:.4f}   at 0.5", self.text)
                self.assertIn(f"at the threshold: {want[0, 1]} of 20 real called fake, {want[1, 0]} of 20 fake", self.text)
        with open(self.files["html"]) as f:
            html = f.read()
        self.assertIn("Confusion at the threshold of the model, 0.", html)
        self.assertIn("Confusion at 0.5", html)

    def test_models_of_any_size_and_kin(self):
        """Another size in the same call gives what it gives alone; what is no kin is compared, not a sequence."""
        other = os.path.join(self.tmp.name, "other")
        size = [*SMALL]
        size[size.index("--input-size") + 1] = 48
        done = run(TRAIN, "-t", "B", "-d", self.data, "-me", 1, "--output", other, *size)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, both = self.judge("-d", self.data, "-t", "A,B", "-w", self.models[0], "-w", other)
        _, alone = self.judge("-d", self.data, "-t", "A,B", "-w", other)
        self.assertEqual([r["metrics"] for r in both["results"][2:]], [r["metrics"] for r in alone["results"]])
        self.assertEqual(both["models"][1]["input"], [48, 48])
        self.assertNotIn("continual", both)
        self.assertNotIn("forgetting", text)
        self.assertNotIn("after ", text)
        self.assertIn(f"model 2 (cored-compact, {other})", text)
        # The same task history, but not of the same line: trained anew.
        again = os.path.join(self.tmp.name, "again")
        done = run(TRAIN, "-t", "A", "-d", self.data, "-me", 1, "--output", again, *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, report = self.judge("-d", self.data, "-t", "A,B", "-w", again, "-w", self.models[1])
        self.assertNotIn("continual", report)
        self.assertNotIn("after ", text)
        text, report = self.judge("-d", self.data, "-t", "B,A", "-w", self.models[0], "-w", self.models[1])
        self.assertNotIn("continual", report)  # kin, but not in the order of these tasks
        self.assertIn("after A", text)

    def test_names(self):
        """Whole, UTF-8 in every file, and never two that look alike."""
        data = os.path.join(self.tmp.name, "named")
        task = "a task with a name that is longer than any column"
        folder = os.path.join(data, task, "test")
        shutil.copytree(os.path.join(self.data, "A", "test"), folder)
        odd = os.fsencode(os.path.join(folder, "real", "x"))
        os.rename(os.path.join(folder, "real", "x000z.png"), odd + b"\xff.png")
        os.rename(os.path.join(folder, "real", "x001z.png"), odd + b"\\xff.png")
        os.rename(os.path.join(folder, "real", "x002z.png"), odd + b"\x1b[2J.png")
        with open(os.path.join(data, "manifest.csv"), "w") as f:
            f.write("path,group\n" + "".join(f"{task}/test/real/x{i:03}z.png,person {i // 2}\n" for i in range(4, 8)))
        files = {k: os.path.join(self.tmp.name, "named." + k) for k in ("json", "csv", "html")}
        args = [x for k, f in files.items() for x in ("--" + k, f)]
        done = run(EVAL, "-d", data, "-t", f"{task},{task}", "-w", self.models[0], "--quiet", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[-2].count(task), 2)  # heads of the matrix
        texts = {}
        for k, f in files.items():
            with open(f, "rb") as file:
                texts[k] = file.read().decode("utf-8")  # or it fails
        rows = [r for r in csv.DictReader(texts["csv"].splitlines()) if r["label"] == "real"][:20]
        names = {r["file"].rsplit("/", 1)[1]: r for r in rows}
        self.assertEqual(len(names), 20)
        self.assertIn("x\\xff.png", names)
        self.assertIn("x\\x5cxff.png", names)
        self.assertNotIn("\x1b", texts["csv"] + texts["html"] + texts["json"])
        self.assertEqual(names["x005z.png"]["group_name"], "person 2")
        self.assertEqual(names["x005z.png"]["group"], names["x004z.png"]["group"])
        self.assertEqual(names["x008z.png"]["group_name"], "real/x008z.png")

    def test_paths_that_are_not_utf8(self):
        """The report is whole, not empty."""
        folder, model = (os.fsencode(os.path.join(self.tmp.name, n)) + b"\xe9" for n in ("data", "model"))
        shutil.copytree(os.fsencode(os.path.join(self.data, "A", "test")), folder)
        shutil.copytree(os.fsencode(self.models[0]), model)
        report = os.path.join(self.tmp.name, "odd.json")
        done = subprocess.run([EVAL, "-d", folder, "-w", model, "--quiet", "--overwrite", "--json", report], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(report, encoding="utf-8") as f:
            odd = json.load(f)
        self.assertEqual([len(odd[k]) for k in ("models", "tasks", "results")], [1, 1, 1])
        self.assertTrue(odd["models"][0]["path"].endswith("model\\xe9"))
        self.assertTrue(odd["tasks"][0]["folder"].endswith("data\\xe9"))

    def test_too_few_to_tell(self):
        """No interval is told as such, never as nan."""
        data = os.path.join(self.tmp.name, "few")
        for label in ("fake", "real"):
            os.makedirs(os.path.join(data, label))
            shutil.copy(os.path.join(self.data, "A", "test", label, "x003z.png"), os.path.join(data, label))
        html = os.path.join(self.tmp.name, "few.html")
        for args in ((data,), (os.path.join(self.data, "A", "test"), "--bootstrap", 0)):
            text, report = self.judge("-w", self.models[0], "--overwrite", "--html", html, "-d", *args)
            self.assertIn("no 95% interval: not asked for, or too few groups of a class to tell", text)
            self.assertNotIn("nan", text)
            self.assertEqual(report["results"][0]["metrics"]["auc_interval"], [None, None])

    def test_errors(self):
        for args, code, text in ((["-d", self.data], 2, "no model"), (["-w", "x"], 2, "no data folder"),
                                 (["-d", self.data, "-w", "/nowhere"], 1, "/nowhere"),
                                 (["-d", self.data, "-w", self.models[0]], 1, "no folder 'fake'"),
                                 (["-d", self.data, "-w", self.models[0], "-t", "C"], 1, "C/test"),
                                 (["-d", self.data, "-w", self.models[0], "-t", "A", "--json", "/no/x"], 74, "/no")):
            done = run(EVAL, *args)
            self.assertEqual(done.returncode, code, (args, done.stderr))
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
