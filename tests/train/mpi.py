#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# cored-train over MPI: with frozen batch norm, N processes with their parts of a batch compute what one
# process computes with the whole, up to the rounding of sums.
import os
import shutil
import sys
import tempfile
import unittest

TRAIN = os.path.abspath(sys.argv.pop(1))

from trainer_kit import SIDE, make_task, np, run, sha256, tensors  # noqa: E402

MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl": "self,vader",
       "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
OPTIONS = ("--input-size", SIDE, "-nb", 8, "--threads", 1, "-lr", 0.002, "--quiet", "--dropout", 0.3)

if not shutil.which("mpirun"):
    print("skipped: no mpirun")
    sys.exit(77)


def distance(one, other):
    return np.linalg.norm(one.astype(float) - other) / np.linalg.norm(one.astype(float))


class Ranks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.shared.name, "dataset")
        make_task(os.path.join(cls.data, "A"), "checks", train=8, val=4, seed=1)
        make_task(os.path.join(cls.data, "B"), "stripes", train=12, val=4, seed=2)
        make_task(os.path.join(cls.data, "TransferLearning", "B"), "stripes", train=4, seed=3, splits=("train",))
        cls.task1 = os.path.join(cls.shared.name, "task1")
        done = run(TRAIN, "-t", "A", "-d", cls.data, "-n", "Compact", "-me", 2, "--output", cls.task1, *OPTIONS)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.tmp.cleanup()

    def train(self, ranks, *args):
        """Tensors of the last checkpoint of a training of B with so many processes."""
        out = os.path.join(self.tmp.name, f"ranks{ranks}")
        launch = ("mpirun", "--oversubscribe", "-np", ranks) if ranks > 1 else ()
        command = (*launch, TRAIN, "-d", self.data, "-s", "A", "-t", "B", "-w", self.task1, "-me", 1, *OPTIONS,
                   "--output", out, *args)
        done = run(*command, env=MPI)
        if "built without MPI" in done.stderr:
            self.skipTest("built without MPI")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("best: epoch"), 1)  # one writer
        return tensors(os.path.join(out, "last.checkpoint"))[0]

    def compare(self, one, other, prefix, bound):
        names = [name for name in one if name.startswith(prefix)]
        self.assertEqual(set(one), set(other))
        self.assertGreater(len(names), 30)
        largest = max(np.linalg.norm(one[name]) for name in names)
        errors = {name: distance(one[name], other[name]) for name in names
                  if np.linalg.norm(one[name]) > 1e-6 * largest}
        worst = max(errors, key=errors.get)
        print(f"{self.id().split('.')[-1]}: {len(errors)} tensors '{prefix}', {errors[worst]:.1e} apart ({worst})")
        self.assertLess(errors[worst], bound, worst)

    def test_gradients_of_one_step(self):
        """One batch is the whole epoch; SGD's velocity after it is the gradient."""
        for method in ("CoReD", "TG"):
            common = ("-m", method, "--batch-norm", "frozen", "--momentum", 0.5)
            one = self.train(1, *common)
            for ranks in (2, 3):  # 4 + 4 and 2 + 3 + 3 samples
                self.compare(one, self.train(ranks, *common), "moment1.", 1e-5)

    def test_weights_after_three_steps(self):
        common = ("-f", "--batch-norm", "frozen", "--momentum", 0.5)
        one, two = self.train(1, *common), self.train(2, *common)
        self.assertEqual(int(one["counters"][0]), 3)
        self.compare(one, two, "student.", 1e-5)

    def test_training_batch_norm_is_each_processes_own(self):
        """As documented: a different normalization, so a different result, yet the same again and again."""
        one, two = self.train(1, "-m", "FT"), self.train(2, "-m", "FT")
        self.assertGreater(max(distance(one[n], two[n]) for n in one if n.startswith("moment1.")), 1e-3)
        path = os.path.join(self.tmp.name, "ranks2", "last.checkpoint")
        first = sha256(path)
        shutil.rmtree(os.path.dirname(path))
        self.train(2, "-m", "FT")
        self.assertEqual(sha256(path), first)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
