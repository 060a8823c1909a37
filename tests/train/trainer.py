#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# cored-train from the outside on tiny data sets: it learns, repeats itself bit for bit, survives
# being interrupted, killed and starved, and publishes only what it should.
import collections
import csv
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TRAIN = os.path.abspath(sys.argv.pop(1))
KILLS = int(os.environ.get("CORED_TEST_KILLS", "4"))

from trainer_kit import (FULL_DISK, SIDE, SMALL, edit_checkpoint, interrupt_on_full_disk, make_task, np, picture, run,  # noqa: E402
                         sha256, tensors)


def repositioned(data, key, value):
    """A checkpoint with another value in its position, and the hash of it."""
    return edit_checkpoint(data, "cored.position", lambda position: position.update({key: value}))


class Trainer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.shared.name, "dataset")
        make_task(os.path.join(cls.data, "A"), "checks", seed=1)
        make_task(os.path.join(cls.data, "B"), "stripes", seed=2)
        make_task(os.path.join(cls.data, "TransferLearning", "B"), "stripes", train=8, seed=3, splits=("train",))
        cls.task1 = os.path.join(cls.shared.name, "task1")
        done = run(TRAIN, "-t", "A", "-d", cls.data, "-me", 12, "--output", cls.task1, *SMALL)
        assert done.returncode == 0, done.stderr
        cls.task1_log = done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.out = os.path.join(self.tmp.name, "run")

    def tearDown(self):
        self.tmp.cleanup()

    def train(self, *args, rc=0, **options):
        done = run(TRAIN, "-d", self.data, *args, **options)
        self.assertEqual(done.returncode, rc, done.stderr)
        return done.stderr

    def best(self, folder=None):
        return os.path.join(folder or self.out, "best.safetensors")

    def test_learns_a_tiny_task(self):
        weights, meta = tensors(self.best(self.task1))
        tasks = json.loads(meta["cored.tasks"])
        self.assertEqual([t["name"] for t in tasks], ["A"])
        self.assertGreater(tasks[0]["auc"], 0.98)
        self.assertEqual(json.loads(meta["cored.labels"]), ["fake", "real"])
        self.assertEqual(json.loads(meta["cored.input-size"]), [SIDE, SIDE])
        self.assertTrue(0.05 <= float(meta["cored.temperature"]) <= 20)
        self.assertTrue(0 < float(meta["cored.threshold"]) < 1)
        self.assertEqual(meta["train.method"], "CoReD")
        self.assertEqual(len(meta["train.manifest"]), 64)
        self.assertTrue(all(np.isfinite(w).all() for w in weights.values()))
        with open(os.path.join(self.task1, "history.csv")) as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 12)
        self.assertLess(float(rows[-1]["loss"]), 0.5 * float(rows[0]["loss"]))
        self.assertIn("best: epoch", self.task1_log)

    def test_every_method_learns_a_second_task(self):
        for method in ("FT", "KD", "TG", "CoReD"):
            out = os.path.join(self.tmp.name, method)
            log = self.train("-s", "A", "-t", "B", "-f", "-m", method, "-w", self.task1, "-me", 4, "--output", out,
                             *SMALL)
            _, meta = tensors(self.best(out))
            self.assertEqual([t["name"] for t in json.loads(meta["cored.tasks"])], ["A", "B"])
            matrix = json.loads(meta["train.matrix"])
            self.assertEqual([row["after"] for row in matrix], ["A", "B"])
            self.assertEqual(set(matrix[1]["auc"]), {"A", "B"})
            with open(os.path.join(out, "history.csv")) as f:
                last = list(csv.DictReader(f))[-1]
            terms = {t: float(last[t]) != 0 for t in ("distillation", "representation", "starting_point")}
            self.assertEqual(terms, {"distillation": method in ("KD", "CoReD"), "representation": method == "CoReD",
                                     "starting_point": method == "TG"}, method)
            self.assertRegex(log, r"B \d+\.\d% AUC .*A \d+\.\d% AUC")

    def test_same_bits_again_and_on_more_threads(self):
        base = ["-s", "A", "-t", "B", "-w", self.task1, "-me", 2, *SMALL, "--jpeg", 0.5, "--blur", 0.5]
        hashes = set()
        for i, extra in enumerate(([], [], ["--threads", 2], ["--loader-threads", 3], ["--cache", 0])):
            out = os.path.join(self.tmp.name, str(i))
            self.train(*base, "--output", out, *extra)
            hashes.add(sha256(self.best(out)))
        self.assertEqual(len(hashes), 1)
        other = os.path.join(self.tmp.name, "other")
        self.train(*base, "--seed", 7, "--output", other)
        self.assertNotIn(sha256(self.best(other)), hashes)

    def run_killed(self, args, kills, stop=signal.SIGKILL, seed=3):
        """Start, kill after a random time, resume, until `kills` kills have hit; then to the end."""
        rng = random.Random(seed)
        began = time.monotonic()
        self.train(*args, "--output", self.out)
        whole, want = time.monotonic() - began, sha256(self.best())
        again = os.path.join(self.tmp.name, "again")
        command = [TRAIN, "-d", self.data, *map(str, args), "--output", again, "--resume"]
        hit, codes, resumed = 0, [], []
        for _ in range(kills * 4):
            if hit == kills:
                break
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            try:
                log = process.communicate(timeout=rng.uniform(0.05, whole))[1]
                if process.returncode == 0 and hit < kills:
                    shutil.rmtree(again)  # it was faster this time: begin anew
                    continue
            except subprocess.TimeoutExpired:
                process.send_signal(stop)
                log = process.communicate()[1]
                hit += 1
            codes.append(process.returncode)
            resumed.append("".join(re.findall(r"resuming in (epoch \d+)", log)) or "the start")
            self.assertIn(process.returncode, (0, -stop, 130), log)  # -SIGINT: before main began
            for name in os.listdir(again) if os.path.isdir(again) else ():
                if name.endswith(".safetensors"):
                    tensors(os.path.join(again, name))
        self.assertGreater(hit, 0)
        done = run(*command)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sha256(self.best(again)), want, f"kills at {codes}")
        print(f"{hit} times signal {int(stop)}; began from", dict(collections.Counter(resumed)))
        return codes

    def test_killed_and_resumed(self):
        self.run_killed(["-s", "A", "-t", "B", "-f", "-w", self.task1, "-me", 3, *SMALL], KILLS)

    def test_interrupted_and_resumed(self):
        codes = self.run_killed(["-t", "B", "-me", 4, *SMALL], 3, stop=signal.SIGINT, seed=5)
        self.assertIn(130, codes)

    def test_second_checkpoint_when_the_last_is_damaged(self):
        args = ["-t", "B", *SMALL, "--output", self.out]
        self.train(*args, "-me", 3)
        want = sha256(self.best())
        shutil.rmtree(self.out)
        self.train(*args, "-me", 2)
        last = os.path.join(self.out, "last.checkpoint")
        data = bytearray(open(last, "rb").read())
        data[len(data) // 2] ^= 1
        with open(last, "wb") as f:
            f.write(data)
        log = self.train(*args, "-me", 3, "--resume")
        self.assertIn("damaged", log)
        self.assertIn("resuming in epoch 2 ", log)
        self.assertEqual(sha256(self.best()), want)
        message = self.train(*args, "-me", 4, "--resume", "-lr", 0.001, rc=1)
        self.assertIn("other settings: optimizer", message)

    def test_two_runs_in_one_folder(self):
        process = subprocess.Popen([TRAIN, "-d", self.data, "-t", "A", "-me", "100000", "--output", self.out,
                                    *map(str, SMALL)], stderr=subprocess.DEVNULL)
        while not os.path.exists(os.path.join(self.out, "last.checkpoint")):
            time.sleep(0.05)
        message = self.train("-t", "A", "--output", self.out, *SMALL, rc=1)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 130)
        self.assertIn("another training", message)

    def test_second_signal_ends_at_once(self):
        """Two signals that wait for the process to wake up: it does not even save."""
        process = subprocess.Popen([TRAIN, "-d", self.data, "-t", "A", "-me", "100000", "--output", self.out,
                                    *map(str, SMALL)], stderr=subprocess.PIPE, text=True)
        last = os.path.join(self.out, "last.checkpoint")
        while not os.path.exists(last):
            time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        names = sorted(os.listdir(self.out))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            process.send_signal(number)
        log = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 130)
        self.assertNotIn("interrupted in", log)
        self.assertEqual(sorted(os.listdir(self.out)), names)
        self.train("-t", "A", "-me", 1, "--resume", "--output", self.out, *SMALL)  # whole, and beyond its end

    def test_divergence_is_named_and_not_saved(self):
        message = self.train("-t", "A", "-me", 3, "--output", self.out, *SMALL, "--optimizer", "sgd", "-lr", 1e3,
                             "--momentum", 0.99, "--weight-decay", 900, rc=3)
        self.assertRegex(message, r"epoch \d+, step \d+: .* is not finite; first in '[^']+'")
        for name in os.listdir(self.out) if os.path.isdir(self.out) else ():
            if name.endswith((".safetensors", ".checkpoint")):
                for key, value in tensors(os.path.join(self.out, name))[0].items():
                    self.assertTrue(np.isfinite(value).all(), f"{name} {key}")

    def test_full_disk_leaves_what_was_there(self):
        args = ["-t", "A", "--output", self.out, *SMALL]
        self.train(*args, "-me", 2)
        names = sorted(os.listdir(self.out))
        sizes = {n: os.path.getsize(os.path.join(self.out, n)) for n in names}

        def starve():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, resource.RLIM_INFINITY))
        message = self.train(*args, "-me", 4, "--resume", rc=74, preexec_fn=starve)
        self.assertIn("File too large", message)
        for n in names:  # the last checkpoint may have become the previous one
            if n != "last.checkpoint":
                self.assertTrue(os.path.exists(os.path.join(self.out, n)), n)
        tensors(self.best())
        self.assertEqual(os.path.getsize(self.best()), sizes["best.safetensors"])
        self.assertIn("resuming in epoch 3", self.train(*args, "-me", 4, "--resume"))

    def test_full_disk_outranks_an_interruption(self):
        process = subprocess.Popen([*FULL_DISK, TRAIN, "-d", self.data, "-t", "A", "-me", "100000", "--output",
                                    self.out, *map(str, SMALL)], stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("   1  "):
                break
        while not os.path.exists(os.path.join(self.out, "last.checkpoint")):
            time.sleep(0.01)
        interrupt_on_full_disk(process.pid)
        log = process.communicate(timeout=120)[1]
        self.assertEqual(process.returncode, 74, log)
        self.assertIn("File too large", log)
        self.assertIn("resuming in epoch", self.train("-t", "A", "-me", 1, "--output", self.out, "--resume", *SMALL))

    def test_interrupted_test(self):
        args = [TRAIN, "--test", "-w", self.best(self.task1), "-d", os.path.join(self.data, "A", "train"), "--quiet"]
        caught = re.compile(r"SigCgt:\s*[0-9a-f]*[2367abef]$", re.MULTILINE)  # SIGINT has its handler
        for _ in range(50):
            with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                while process.poll() is None and not caught.search(open(f"/proc/{process.pid}/status").read()):
                    pass
                process.send_signal(signal.SIGINT)
                log = process.communicate(timeout=60)[1]
            if process.returncode != 0:  # else it was faster
                break
        self.assertEqual(process.returncode, 130, log)
        self.assertNotIn("cored-train:", log)

    def test_bad_files(self):
        data = os.path.join(self.tmp.name, "dataset")
        shutil.copytree(os.path.join(self.data, "A"), os.path.join(data, "A"))
        with open(os.path.join(data, "A", "train", "fake", "x005z.png"), "wb") as f:
            f.write(b"no picture")
        with open(os.path.join(data, "A", "train", "fake", "new\nline\x1b[31m.png"), "wb") as f:
            f.write(b"no picture either")
        os.mkfifo(os.path.join(data, "A", "train", "real", "pipe.jpg"))
        done = run(TRAIN, "-d", data, "-t", "A", "-me", 1, "--output", self.out, *SMALL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("3 of 50 files are bad, more than the 1 %", done.stderr)
        self.assertIn("fake/x005z.png: not a JPEG", done.stderr)
        self.assertIn(r"fake/new\x0aline\x1b[31m.png: not a JPEG", done.stderr)
        self.assertIn("real/pipe.jpg: not a regular file", done.stderr)
        self.assertFalse(os.path.exists(self.best()))
        done = run(TRAIN, "-d", data, "-t", "A", "-me", 1, "--max-bad", 10, "--output", self.out, *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_leaks_between_train_and_val(self):
        data = os.path.join(self.tmp.name, "dataset")
        shutil.copytree(os.path.join(self.data, "A"), os.path.join(data, "A"))
        shutil.copy(os.path.join(data, "A", "train", "real", "x003z.png"), os.path.join(data, "A", "val", "fake", "other\nname.png"))
        done = run(TRAIN, "-d", data, "-t", "A", "-me", 1, "--output", self.out, *SMALL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 files are in train and val at once", done.stderr)
        self.assertIn("x003z.png", done.stderr)
        self.assertIn(r"val/fake/other\x0aname.png", done.stderr)
        done = run(TRAIN, "-d", data, "-t", "A", "-me", 1, "--output", self.out, "--allow-overlap", *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"warning: 1 files are in .*train' and .*val' at once:\n  .*x003z.png' and '.*other")

    def test_groups_are_told_and_their_leaks_named(self):
        data = os.path.join(self.tmp.name, "dataset")
        shutil.copytree(os.path.join(self.data, "A"), os.path.join(data, "A"))
        with open(os.path.join(data, "manifest.csv"), "w", encoding="utf-16") as f:
            f.write("Path;Group\n")
            for split in ("train", "val"):
                for label in ("fake", "real"):
                    for i in range(6):
                        f.write(f".\\A\\{split}\\{label}\\x{i:03}z.png;person {i // 2 + (20 if split == 'val' and i < 4 else 0)}\n")
        done = run(TRAIN, "-d", data, "-t", "A", "-me", 1, "--output", self.out, *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"train: 24 fake, 24 real; 39 groups\n  12 of 48 files have their group from '.*manifest.csv'")
        self.assertRegex(done.stderr, r"warning: 1 groups \(videos, people\) are in .*train' and .*val' at once:\n"
                         r"  '.*train/fake/x004z.png' and '.*val/fake/x004z.png' \(group 'person 2'\)\n")

    def test_clear_errors(self):
        cases = [
            (["-t", "C"], 1, "C/train"),
            (["-t", "a"], 1, "there is no task 'a': expected a folder '" + self.data + "/a/train', found A, B in"),
            (["-t", "A", "-s", "b", "-w", self.task1], 1, "there is no task 'b'"),
            (["-t", "caf\udce9"], 1, "the task 'caf\\xe9': expected a name of at most 63 bytes of UTF-8"),
            (["-t", "A" * 64], 1, "found a longer one"),
            (["-t", "A", "--resume", "--overwrite"], 2, "say one of them"),
            (["-t", "A", "--resume", "/nowhere"], 1, "/nowhere"),
            (["-t", "A", "-s", "B"], 2, "-w PATH"),
            (["-t", "A", "-s", "B", "-w", "/nowhere"], 1, "/nowhere"),
            (["-t", "A", "-s", "A", "-w", self.task1], 2, "source and the target"),
            (["-s", "A_B"], 2, "-t NAME"),
            (["-t", "A", "-m", "XX"], 2, "FT|KD|TG|CoReD"),
            (["-t", "A", "-me", "0"], 2, "whole number"),
            (["-t", "A", "-lr", "fast"], 2, "a number"),
            (["-t", "A", "--frobnicate"], 2, "--frobnicate"),
            (["-t", "A", "left-over"], 2, "left-over"),
            (["-t", "A", "-s", "B", "-w", self.task1, "-n", "Xception"], 1, "cored-compact"),
            (["-t", "A", "-nc", "3"], 1, "expected 3 class folders"),
            (["--test"], 2, "-w FILE"),
        ]
        for args, code, text in cases:
            message = self.train(*args, "--output", self.out, rc=code)
            self.assertIn(text, message, args)
            self.assertNotIn("\n\n", message)
            self.assertFalse(os.path.exists(self.out), args)  # no folder stays of a run that did not begin

    def test_nothing_is_overwritten_unasked(self):
        args = ["-t", "A", "-me", 2, "--checkpoint-every", 1, *SMALL]
        self.train(*args, "--output", self.out)
        names = sorted(os.listdir(self.out))
        hashes = {n: sha256(os.path.join(self.out, n)) for n in names}
        kept = os.path.join(self.tmp.name, "kept")
        elsewhere = os.path.join(self.tmp.name, "elsewhere")
        shutil.copytree(self.out, kept)
        self.train("-t", "A", "-me", 1, *SMALL, "--output", elsewhere)
        for extra in ([], ["--resume", elsewhere], ["--seed", 5]):
            message = self.train(*args, *extra, "--output", self.out, rc=1)
            self.assertIn("holds an earlier run", message)
            self.assertIn("--resume", message)
            self.assertIn("--overwrite", message)
            self.assertEqual({n: sha256(os.path.join(self.out, n)) for n in sorted(os.listdir(self.out))}, hashes)
        message = self.train(*args, "--resume", os.path.join(self.out, "last.checkpoint"), "--overwrite", "--output",
                             self.out, rc=1)
        self.assertIn("say one of them", message)
        # An error of the new run comes before the old one is deleted.
        self.train("-t", "C", *SMALL, "--overwrite", "--output", self.out, rc=1)
        self.assertEqual(sorted(os.listdir(self.out)), names)
        self.train("-t", "A", "-me", 1, *SMALL, "--overwrite", "--output", self.out)
        self.assertFalse(os.path.exists(os.path.join(self.out, "epoch-0002.checkpoint")))
        # What is left of a run of which only one file stayed counts too.
        for name in names:
            if name != ".lock":
                alone = os.path.join(self.tmp.name, "alone")
                os.mkdir(alone)
                shutil.copy(os.path.join(kept, name), alone)
                self.assertIn("earlier run (" + name, self.train(*args, "--output", alone, rc=1))
                shutil.rmtree(alone)

    def hashes(self, folder=None):
        folder = folder or self.out
        return {n: sha256(os.path.join(folder, n)) for n in sorted(os.listdir(folder))}

    def test_overwrite_deletes_nothing_for_a_run_that_cannot_begin(self):
        self.train("-t", "A", "-me", 2, "--checkpoint-every", 1, *SMALL, "--output", self.out)
        whole = os.path.join(self.tmp.name, "elsewhere")
        self.train("-t", "A", "-me", 1, *SMALL, "--output", whole)
        before = self.hashes()
        damaged = os.path.join(self.tmp.name, "damaged.checkpoint")
        data = bytearray(open(os.path.join(whole, "last.checkpoint"), "rb").read())
        data[len(data) // 2] ^= 1
        with open(damaged, "wb") as f:
            f.write(data)
        link, links = (os.path.join(self.tmp.name, n) for n in ("link.checkpoint", "links"))
        os.symlink(os.path.join(self.out, "epoch-0001.checkpoint"), link)
        os.mkdir(links)
        os.symlink(os.path.join(self.out, "last.checkpoint"), os.path.join(links, "last.checkpoint"))
        for args, code, text in ((["--resume", damaged], 1, "damaged"),
                                 (["--resume", "/nowhere"], 1, "/nowhere"),
                                 (["--resume", whole, "--seed", 5], 1, "other settings: seed"),
                                 (["--resume", link], 1, "which --overwrite deletes"),
                                 (["--resume", links], 1, "which --overwrite deletes"),
                                 (["--trace", "/proc/no/folder"], 74, "/proc/no"),
                                 (["--tensorboard", "/proc/no/folder"], 74, "/proc/no")):
            message = self.train("-t", "A", "-me", 3, *SMALL, "--overwrite", "--output", self.out, *args, rc=code)
            self.assertIn(text, message)
            self.assertEqual(self.hashes(), before, args)
        self.train("-t", "A", "-me", 2, *SMALL, "--overwrite", "--output", self.out, "--resume", whole)
        self.assertFalse(os.path.exists(os.path.join(self.out, "epoch-0001.checkpoint")))
        self.assertTrue(os.path.exists(self.best()))

    def test_a_later_best_model_is_not_given_up_for_an_older_state(self):
        args = ["-t", "A", *SMALL, "--output", self.out]
        self.train(*args, "-me", 3, "--checkpoint-every", 1)
        early = os.path.join(self.out, "epoch-0001.checkpoint")
        self.assertNotEqual(tensors(self.best())[1]["train.epoch"], "1")
        before = self.hashes()
        message = self.train(*args, "-me", 2, "--resume", early, rc=1)
        self.assertIn("-o FOLDER goes on elsewhere", message)
        self.assertEqual(self.hashes(), before)
        log = self.train(*args[:-1], os.path.join(self.tmp.name, "other"), "-me", 2, "--resume", early)
        self.assertIn("resuming in epoch 2 ", log)
        self.train(*args, "-me", 3, "--resume", os.path.join(self.out, "last.checkpoint"))

    def test_a_best_model_that_cannot_be_read_is_not_taken_for_missing(self):
        args = ["-t", "A", *SMALL]
        self.train(*args, "--output", self.out, "-me", 2)
        data = bytearray(open(self.best(), "rb").read())
        data[len(data) // 2] ^= 1
        with open(self.best(), "wb") as f:
            f.write(data)
        before = self.hashes()
        other = os.path.join(self.tmp.name, "other")
        for extra in (["--resume", "--output", self.out], ["--resume", self.out, "--output", other]):
            self.assertIn("the best model so far cannot be read", self.train(*args, "-me", 3, *extra, rc=1))
            self.assertEqual(self.hashes(), before)
            self.assertFalse(os.path.exists(other))

    def test_a_checkpoint_that_cannot_be_read_is_something_to_resume(self):
        args = ["-t", "A", "-me", 2, *SMALL, "--output", self.out, "--resume"]
        last = os.path.join(self.out, "last.checkpoint")
        os.mkdir(self.out)
        with open(last, "wb") as f:
            f.write(b"no checkpoint at all, but somebody's")
        before = self.hashes()
        self.assertIn("last.checkpoint", self.train(*args, rc=1))
        self.assertEqual({n: h for n, h in self.hashes().items() if n != ".lock"}, before)
        os.unlink(last)
        os.symlink("/nowhere/last.checkpoint", last)
        self.assertIn("last.checkpoint", self.train(*args, rc=1))
        os.unlink(last)
        self.assertIn("starting anew", self.train(*args))

    def test_the_best_model_goes_along(self):
        """The best epoch of the part before may never be beaten; it is delivered all the same."""
        first = os.path.join(self.tmp.name, "first")
        spoil = ["-t", "A", *SMALL]
        self.train(*spoil, "-me", 12, "--output", first)
        best = sha256(self.best(first))
        epoch = tensors(self.best(first))[1]["train.epoch"]
        # As the last checkpoint is at its end already, nothing can beat the best.
        for form in (["--resume", first], ["--resume=" + first], ["--resume", os.path.join(first, "last.checkpoint")]):
            log = self.train(*spoil, "-me", 12, *form, "--output", self.out)
            self.assertEqual(sha256(self.best()), best, form)
            self.assertIn(f"best: epoch {epoch},", log)
            shutil.rmtree(self.out)
        # The checkpoint alone: its own state is the best there is.
        alone = os.path.join(self.tmp.name, "moved.checkpoint")
        shutil.copy(os.path.join(first, "last.checkpoint"), alone)
        log = self.train(*spoil, "-me", 12, "--resume", alone, "--output", self.out)
        self.assertIn(f"best model so far, of epoch {epoch}, is not beside the checkpoint", log)
        self.assertIn("best: epoch 12,", log)
        self.assertEqual(tensors(self.best())[1]["train.epoch"], "12")
        # The same in a folder that lost it.
        os.unlink(self.best())
        self.assertIn("best: epoch 12,", self.train(*spoil, "-me", 12, "--resume", "--output", self.out))

    def test_positions_that_no_run_writes(self):
        args = ["-t", "A", *SMALL, "--output", self.out]
        self.train(*args, "-me", 2)
        last = os.path.join(self.out, "last.checkpoint")
        with open(last, "rb") as f:
            good = f.read()
        changes = [("next_batch", 2**62, "next_batch: expected 0 to 6, found 4611686018427387904"),
                   ("next_batch", 7, "next_batch: expected 0 to 6, found 7"), ("next_batch", -1, "found -1"),
                   ("next_batch", 3, "its optimizer made 12"), ("next_batch", "0", 'found "0"'),
                   ("next_batch", None, "next_batch: expected 0 to 6, found null"), ("epoch", 2**40, "epoch: expected 0"),
                   ("epoch", 3, "history: expected a row for each of 3 epochs, found 2"), ("best_epoch", 3, "expected 0 to 2"),
                   ("best", None, "best: expected a number"), ("best", "x", "best: expected a number"),
                   ("sums", [], "sums: expected"), ("sums", ["x"] * 10, "sums: expected"), ("history", [], "history:"),
                   ("history", [1, 2], "history:"), ("history", {}, "history:")]
        for key, value, text in changes:
            with open(last, "wb") as f:
                f.write(repositioned(good, key, value))
            os.path.exists(os.path.join(self.out, "previous.checkpoint")) and os.unlink(
                os.path.join(self.out, "previous.checkpoint"))
            self.assertIn(text, self.train(*args, "-me", 3, "--resume", rc=1), (key, value))
        with open(last, "wb") as f:
            f.write(repositioned(good, "epoch", 2))
        self.assertIn("resuming in epoch 3 at batch 0", self.train(*args, "-me", 3, "--resume"))

    def test_long_runs_are_announced(self):
        process = subprocess.Popen([TRAIN, "-d", self.data, "-t", "A", "--output", self.out, *map(str, SMALL), "-me",
                                    "1000000"], stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if "this takes about" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130)
        self.assertRegex(line, r"this takes about [\d.]+ hours for \d+ epochs at [\d.]+ images/s")
        self.assertIn("--resume", line)
        self.assertNotIn("Compact", line)  # that is the network already

    def test_what_is_left_out_is_told(self):
        data = os.path.join(self.tmp.name, "dataset")
        shutil.copytree(os.path.join(self.data, "A"), os.path.join(data, "A"))
        train = os.path.join(data, "A", "train")
        os.symlink("x001z.png", os.path.join(train, "real", "again.png"))
        os.makedirs(os.path.join(train, "other"))
        with open(os.path.join(train, "fake", "notes.txt"), "w") as f:
            f.write("nothing")
        done = run(TRAIN, "-d", data, "-t", "A", "-me", 1, "--output", self.out, *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        for text in ("  1 other files ignored: they are not named like pictures or videos\n",
                     "  1 links left out: they lead to what is listed already\n",
                     "  warning: 1 folders that are no class were not read, such as 'other'\n"):
            self.assertEqual(done.stderr.count(text), 1, done.stderr)

    def test_more_classes(self):
        """Folders are classes, files beside them are not; a name that does not fit is refused."""
        data = os.path.join(self.tmp.name, "dataset")
        for split in ("train", "val"):
            shutil.copytree(os.path.join(self.data, "A", split), os.path.join(data, "A", split))
            shutil.copytree(os.path.join(self.data, "B", split, "fake"), os.path.join(data, "A", split, "stripes"))
        with open(os.path.join(data, "A", "train", "notes.txt"), "w") as f:
            f.write("nothing")
        done = run(TRAIN, "-d", data, "-t", "A", "-nc", 3, "-me", 1, "--output", self.out, *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        os.mkdir(os.path.join(data, "A", "train", "n" * 200))
        done = run(TRAIN, "-d", data, "-t", "A", "-nc", 3, "-me", 1, "--output", self.out + "2", *SMALL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("n': the name of a class has at most", done.stderr)

    def test_publish_gate(self):
        live = os.path.join(self.tmp.name, "live", "model.safetensors")
        os.mkdir(os.path.dirname(live))
        lenient = ("--min-samples", 12, "--max-false-alarms", 100, "--max-misses", 100)
        log = self.train("-t", "A", "-me", 8, "--output", self.out, *SMALL, "--publish", live, *lenient)
        self.assertIn("generation 1", log)
        second = ["-s", "A", "-t", "B", "-f", "-w", self.out, "-me", 6, *SMALL, "--publish", live, *lenient]
        before = sha256(live)
        # A violent fine-tuning forgets; with no tolerance it must not get through.
        self.train(*second, "-m", "FT", "-lr", 0.03, "--max-forgetting", 0, "--select", "auc", "--output",
                   os.path.join(self.tmp.name, "forgets"), "--cutmix", "none", "--flip", 0, rc=4)
        self.assertEqual(sha256(live), before)
        reasons = open(live + ".rejected.txt").read()
        self.assertRegex(reasons, r"old task A: AUC fell from|new task B: AUC")
        self.assertEqual(tensors(live + ".rejected")[1]["train.rejected"], reasons)
        log = self.train(*second, "--max-forgetting", 100, "--output", os.path.join(self.tmp.name, "keeps"))
        self.assertIn("generation 2", log)
        self.assertEqual(tensors(live)[1]["cored.generation"], "2")
        self.assertEqual(sorted(os.listdir(os.path.dirname(live))),
                         ["model.safetensors", "model.safetensors.rejected", "model.safetensors.rejected.txt"])

    def test_trace(self):
        trace = os.path.join(self.tmp.name, "trace")
        self.train("-s", "A", "-t", "B", "-f", "-w", self.task1, "-me", 1, "--order", "sequential", "--no-augment",
                   "--trace", trace, "--trace-steps", 2, "--output", self.out, *SMALL)
        self.assertEqual(sorted(os.listdir(trace)), ["start.safetensors", "step-000000", "step-000001"])
        batch, _ = tensors(os.path.join(trace, "step-000001", "batch.safetensors"))
        self.assertEqual(batch["images"].shape, (8, SIDE, SIDE, 3))
        self.assertEqual(list(batch["samples"]), list(range(8, 16)))
        self.assertEqual(list(batch["labels"]), [0] * 8)
        from PIL import Image
        want = np.asarray(Image.open(os.path.join(self.data, "B", "train", "fake", "x008z.png")), np.float32)
        self.assertLess(np.abs(batch["images"][0] - (want / 127.5 - 1)).max(), 1e-5)
        gradients, _ = tensors(os.path.join(trace, "step-000001", "gradients.safetensors"))
        weights, _ = tensors(os.path.join(trace, "start.safetensors"))
        self.assertTrue(set(gradients) <= set(weights) and len(gradients) > 10)
        self.assertTrue(all(gradients[k].shape == weights[k].shape for k in gradients))
        self.assertTrue(any(np.abs(g).max() > 0 for g in gradients.values()))
        losses = json.load(open(os.path.join(trace, "step-000001", "losses.json")))
        total = losses["student"] + losses["distillation"] + losses["representation"]
        self.assertAlmostEqual(losses["total"], total, places=6)
        self.assertEqual(np.array(losses["stores"]).shape, (5, 2))

    def test_videos_in_a_task(self):
        data = os.path.join(self.tmp.name, "dataset")
        make_task(os.path.join(data, "V"), "checks", train=4, val=2, seed=9)
        rng = np.random.default_rng(1)
        for label, kind in (("fake", "checks"), ("real", "real")):
            path = os.path.join(data, "V", "train", label, "clip.avi")
            frames = b"".join(picture(rng, kind).tobytes() for _ in range(12))
            try:
                subprocess.run(["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIDE}x{SIDE}",
                                "-i", "-", "-c:v", "mjpeg", "-q:v", "2", path], input=frames, check=True)
            except FileNotFoundError:
                self.skipTest("no ffmpeg program")
        done = run(TRAIN, "-d", data, "-t", "V", "-me", 1, "--whole-frames", "--frame-step", 3, "--output", self.out,
                   *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("8 fake, 8 real", done.stderr)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
