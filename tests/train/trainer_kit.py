# SPDX-License-Identifier: MIT
# What the tests of cored-train and cored-eval share: tiny data sets, running the programs, reading
# safetensors.
import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print("skipped: no", missing.name)
    sys.exit(77)

SIDE = 32


def picture(rng, kind):
    """Real: smooth. Each kind of fake adds a pattern of its own."""
    small = rng.integers(60, 200, (4, 4, 3), dtype=np.uint8)
    x = np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.BICUBIC), np.int16)
    i, j = np.mgrid[:SIDE, :SIDE]
    if kind == "checks":
        x = x + (((i + j) % 2) * 60 - 30)[..., None]
    elif kind == "stripes":
        x = x + ((i // 2 % 2) * 70 - 35)[..., None]
    return Image.fromarray(np.clip(x, 0, 255).astype(np.uint8))


def make_task(folder, kind, train=24, val=12, seed=1, splits=("train", "val", "test")):
    rng = np.random.default_rng(seed)
    for split in splits:
        for label in ("fake", "real"):
            path = os.path.join(folder, split, label)
            os.makedirs(path)
            for i in range(train if split == "train" else val):
                picture(rng, kind if label == "fake" else "real").save(os.path.join(path, f"x{i:03}z.png"))


def run(program, *args, cwd=None, timeout=300, **options):
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", **options.pop("env", {}))
    return subprocess.run([program, *map(str, args)], cwd=cwd, timeout=timeout, capture_output=True, text=True,
                          env=environment, **options)


FULL_DISK = ("env", "--ignore-signal=XFSZ")  # before a program that interrupt_on_full_disk is for


def interrupt_on_full_disk(pid):
    """From one moment on it can write nothing, and is asked to stop."""
    os.kill(pid, signal.SIGSTOP)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGCONT)


SMALL = ("-n", "Compact", "--input-size", SIDE, "-nb", 8, "--threads", 1, "--optimizer", "adamw", "-lr", 0.003,
         "--quiet")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def edit_checkpoint(data, entry, change):
    """A checkpoint of which change(an entry of its metadata, parsed) changed that entry, and the hash of it."""
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    value = json.loads(head["__metadata__"][entry])
    change(value)
    head["__metadata__"][entry] = json.dumps(value, separators=(",", ":"))
    head["__metadata__"]["cored.checkpoint-sha256"] = "0" * 64
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + data[8 + n:]
    return whole.replace(b"0" * 64, hashlib.sha256(whole).hexdigest().encode(), 1)


def tensors(path):
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + n])
    meta = header.pop("__metadata__", {})
    kinds = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
    body = data[8 + n:]
    return {k: np.frombuffer(body[slice(*v["data_offsets"])], kinds[v["dtype"]]).reshape(v["shape"])
            for k, v in header.items() if v["dtype"] in kinds}, meta
