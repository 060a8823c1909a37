#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A disk that fails under cored-train (T01, T05, T06): every n-th write, fsync, rename, link and creation,
# one after another, by a library between the program and the system; and a small tmpfs that is full.
# CORED_TEST_FAULTS: how many places of each kind, "all" for every one.
import errno
import os
import subprocess
import sys
import tempfile
import unittest

TRAIN, FAULTS = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
PLACES = os.environ.get("CORED_TEST_FAULTS", "3")

from trainer_kit import SIDE, make_task, run, sha256, tensors  # noqa: E402


def places(count):
    """Numbers of the calls to fail, from 1, spread evenly."""
    if PLACES == "all" or int(PLACES) >= count:
        return range(1, count + 1)
    return sorted({1 + i * (count - 1) // (int(PLACES) - 1) for i in range(int(PLACES))})


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        where = cls.shared.name
        cls.data = os.path.join(where, "dataset")
        make_task(os.path.join(cls.data, "A"), "checks", train=4, val=2, splits=("train", "val"))
        cls.before, cls.after = (os.path.join(where, n) for n in ("before", "after"))
        assert cls.train(cls.before, epochs=1).returncode == 0
        subprocess.run(["cp", "-a", cls.before, cls.after], check=True)
        log = os.path.join(where, "counts")
        assert cls.train(cls.after, log=log).returncode == 0
        with open(log) as f:
            cls.counts = {kind: int(n) for kind, n in map(str.split, f)}
        assert all(cls.counts.values()), cls.counts
        cls.old = {n: sha256(os.path.join(cls.before, n)) for n in os.listdir(cls.before) if n[0] != "."}

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    @classmethod
    def train(cls, out, fault="any:0:0", epochs=2, log=""):
        return run(TRAIN, "-d", cls.data, "-t", "A", "-n", "Compact", "--input-size", SIDE, "-nb", 4, "--threads", 1,
                   "--optimizer", "adamw", "-lr", 0.003, "--checkpoint-every", 2, "--select", "auc", "--seed", 2, "--quiet", "-me", epochs, "--resume", "--output", out,
                   env={"LD_PRELOAD": FAULTS, "CORED_FAULT": fault, "CORED_FAULT_LOG": log})

    def check_whole(self, out, about):
        """Every file is the old or the new one, never anything between."""
        new = {n: sha256(os.path.join(self.after, n)) for n in os.listdir(self.after) if n[0] != "."}
        for name in os.listdir(out):
            if name[0] != ".":
                known = {self.old.get(name), new.get(name), self.old.get("last.checkpoint")}
                if not name.endswith(".html"):  # it says how long the run took
                    self.assertIn(sha256(os.path.join(out, name)), known, f"{about}: {name}")
        self.assertTrue({"last.checkpoint", "previous.checkpoint"} & set(os.listdir(out)), about)
        self.assertIn("best.safetensors", os.listdir(out), about)

    def check(self, fault, code, words=""):
        with tempfile.TemporaryDirectory() as where:
            out = os.path.join(where, "run")
            subprocess.run(["cp", "-a", self.before, out], check=True)
            done = self.train(out, fault)
            self.assertEqual(done.returncode, code, f"{fault}: {done.stderr}")
            self.assertIn(words, done.stderr, fault)
            self.check_whole(out, fault)
            if code == 0:
                self.assertEqual(self.files(out), self.files(self.after))
                return
            self.assertEqual(self.train(out).returncode, 0)  # with space again
            for name in ("best.safetensors", "last.checkpoint", "history.csv"):
                self.assertEqual(sha256(os.path.join(out, name)), sha256(os.path.join(self.after, name)), fault)
            self.assertEqual(self.files(out), self.files(self.after), fault)  # nothing half-written stays

    @staticmethod
    def files(folder):
        return sorted(os.listdir(folder))

    def test_no_space_from_the_nth_write_on(self):
        for n in places(self.counts["write"]):
            self.check(f"write:{n}:-{errno.ENOSPC}", 74, "No space left on device")

    def test_fsync_says_eio_once(self):
        """Never retried as if it had not been said."""
        for n in places(self.counts["fsync"]):
            self.check(f"fsync:{n}:{errno.EIO}", 74, "Input/output error")

    def test_names_cannot_be_changed(self):
        for kind in ("rename", "link", "create"):
            for n in places(self.counts[kind]):
                self.check(f"{kind}:{n}:{errno.EIO}", 74, "Input/output error")

    def test_short_and_interrupted_writes_are_no_errors(self):
        for n in places(self.counts["write"]):
            self.check(f"write:{n}:short", 0)
            self.check(f"write:{n}:{errno.EINTR}", 0)

    def test_killed_at_the_nth_call(self):
        for n in places(sum(self.counts.values())):
            self.check(f"any:{n}:kill", -9)

    def test_full_tmpfs(self):
        where = os.path.join(self.shared.name, "tmpfs")
        os.mkdir(where)
        kept = [os.stat(os.path.join(self.before, name)) for name in self.old]
        size = sum(dict((st.st_ino, st.st_size) for st in kept).values())  # names of one file count once
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size + 300000}", "cored-test", where],
                                 capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no permission to mount a tmpfs")
        try:
            out = os.path.join(where, "run")
            subprocess.run(["cp", "-a", self.before, out], check=True)
            done = self.train(out)
            self.assertEqual(done.returncode, 74, done.stderr)
            self.assertIn("No space left on device", done.stderr)
            self.check_whole(out, "tmpfs")
            tensors(os.path.join(out, "best.safetensors"))
            subprocess.run(["mount", "-o", f"remount,size={4 * size}", where], check=True)
            self.assertEqual(self.train(out).returncode, 0)
            self.assertEqual(sha256(os.path.join(out, "best.safetensors")),
                             sha256(os.path.join(self.after, "best.safetensors")))
        finally:
            subprocess.run(["umount", where], check=True)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
