#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# cored-train over MPI: with frozen batch norm, N processes with their parts of a batch compute what one
# process computes with the whole, up to the rounding of sums.
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

TRAIN = os.path.abspath(sys.argv.pop(1))

from trainer_kit import FULL_DISK, SIDE, interrupt_on_full_disk, make_task, np, run, sha256, tensors  # noqa: E402

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
                   "--overwrite", "--output", out, *args)
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

    def test_batches_smaller_than_the_number_of_processes(self):
        """Every sample counts: in batches of 2 for 3 processes, and in the last one of 7 and 1 for 2."""
        for ranks, batch in ((3, 2), (2, 7)):
            common = ("--batch-norm", "frozen", "--momentum", 0.5, "-nb", batch)
            one = self.train(1, *common)
            many = self.train(ranks, *common)
            self.assertEqual(int(many["counters"][0]), -(-8 // batch))
            self.compare(one, many, "student.", 1e-5)

    def launch(self, *programs):
        """Each process with arguments of its own; (exit status, standard error)."""
        # Not by mpirun's colons: that of Open MPI 5.0.7 (Debian 13) crashes when one of them fails.
        script = os.path.join(self.tmp.name, "launch")
        with open(script, "w") as file:
            for i, args in enumerate(programs):
                words = [TRAIN, "-d", self.data, "-s", "A", "-t", "B", "-w", self.task1, "-me", "1", *OPTIONS,
                         "--overwrite", "--output", os.path.join(self.tmp.name, "out"), *args]
                line = shlex.join(str(word) for word in words)
                file.write(f'[ "$OMPI_COMM_WORLD_RANK" != {i} ] || exec {line}\n')
        done = run("mpirun", "--oversubscribe", "-np", len(programs), "/bin/sh", script, env=MPI, timeout=100)
        if "built without MPI" in done.stderr:
            self.skipTest("built without MPI")
        return done.returncode, done.stderr

    def test_one_process_that_fails_takes_the_others_along(self):
        """The error of whoever has it is told, once; nobody waits for it."""
        status, text = self.launch(["--trace", "/proc/no/folder"], [])
        self.assertEqual(status, 74, text)
        self.assertEqual(text.count("cored-train: '/proc/no"), 1, text)
        status, text = self.launch([], ["-d", "/nowhere"])
        self.assertEqual(status, 1, text)
        self.assertEqual(text.count("cored-train: '/nowhere"), 1, text)

    def test_processes_that_read_other_data_are_refused(self):
        other = os.path.join(self.tmp.name, "other")
        shutil.copytree(self.data, other)
        os.remove(os.path.join(other, "TransferLearning", "B", "train", "real", "x001z.png"))
        status, text = self.launch([], [], ["-d", other])
        self.assertEqual(status, 1, text)
        self.assertEqual(text.count("process 2 does not read the same files"), 1, text)

    def test_processes_of_other_command_lines_are_refused(self):
        for args, code, text in ((["--frobnicate"], 2, "--frobnicate"), (["--test"], 2, "--test was given to some"),
                                 (["-me", "3"], 1, "process 1 has other settings"),
                                 (["-lr", "0.5"], 1, "process 1 has other settings")):
            status, message = self.launch([], args)
            self.assertEqual(status, code, message)
            self.assertEqual(message.count(text), 1, message)

    def test_full_disk_outranks_an_interruption(self):
        out = os.path.join(self.tmp.name, "out")
        command = ["mpirun", "--oversubscribe", "-np", "2", *FULL_DISK, TRAIN, "-d", self.data, "-t", "A", "-n", "Compact",
                   "-me", "100000", *map(str, OPTIONS), "--output", out]
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", **MPI)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as training:
            for line in training.stderr:
                if "built without MPI" in line:
                    self.skipTest("built without MPI")
                if line.startswith("   1  "):
                    break
            children = f"/proc/{training.pid}/task/{training.pid}/children"
            with open(children) as f:
                for pid in map(int, f.read().split()):
                    interrupt_on_full_disk(pid)
            text = training.communicate(timeout=100)[1]
        self.assertEqual(training.returncode, 74, text)
        self.assertEqual(text.count("File too large"), 1, text)

    def lose_files(self, *args):
        """Half of the training files go after the first epoch: soon a batch has none for one process only."""
        data = os.path.join(self.tmp.name, "data")
        shutil.rmtree(data, ignore_errors=True)
        make_task(os.path.join(data, "A"), "checks", train=24, val=2, seed=1)
        command = ["mpirun", "--oversubscribe", "-np", "2", TRAIN, "-d", data, "-t", "A", "-n", "Compact", "-me", "12",
                   *map(str, OPTIONS), "--overwrite", "--output", os.path.join(self.tmp.name, "out"), "--cache", "0", "-nb", "2", *args]
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", **MPI)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as training:
            text = ""
            for line in training.stderr:
                text += line
                if "built without MPI" in line:
                    self.skipTest("built without MPI")
                if line.startswith("   1  "):
                    for label in ("fake", "real"):
                        for i in range(0, 24, 2):
                            os.remove(os.path.join(data, "A", "train", label, f"x{i:03}z.png"))
            return training.wait(timeout=100), text

    def test_files_that_go_while_training(self):
        status, text = self.lose_files()
        self.assertEqual(status, 1, text)
        self.assertEqual(text.count("more than --max-bad allows"), 1, text)
        status, text = self.lose_files("--max-bad", "100")
        self.assertEqual(status, 0, text)
        self.assertIn("samples could not be read", text)
        self.assertIn("best: epoch", text)

    def test_one_process_tells_the_figures(self):
        done = run("mpirun", "--oversubscribe", "-np", 2, TRAIN, "--test", "-w", self.task1, "-d",
                   os.path.join(self.data, "A", "val"), "--quiet", env=MPI)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("AUC"), 1, done.stdout)

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
