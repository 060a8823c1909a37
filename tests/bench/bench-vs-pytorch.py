#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sessions of libcored against PyTorch's frozen and optimized TorchScript module, in one run.

    OPENBLAS_NUM_THREADS=1 bench-vs-pytorch.py [--threads 1,2] [--rounds N] [NETWORK:SIZE[:BATCH]...]

CORED_LIBRARY names libcored.so. Both compute the same weights and the same input, and their logits
are compared first. Timings are interleaved: in every round each runtime runs a few times in turn;
printed are medians over rounds and their ratio (above 1: libcored is faster). Other work on the
machine moves both; --clock cpu counts the calling thread's processor time instead, which is fair
for one thread only. Exit code 77: PyTorch is absent."""
import argparse
import ctypes as C
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
try:
    import numpy as np
    import torch
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'reference'))
import networks  # noqa: E402

DEFAULT = ['xception:128', 'xception:299', 'efficientnet-b0:128', 'efficientnet-b0:224',
           'meso4:256', 'mesoinception4:256', 'cored-compact:128']


class Error(C.Structure):
    _fields_ = [('code', C.c_int), ('message', C.c_char * 768)]


class TensorView(C.Structure):
    _fields_ = [('name', C.c_char_p), ('dtype', C.c_int), ('rank', C.c_int),
                ('dims', C.c_int64 * 8), ('data', C.c_void_p), ('size', C.c_size_t)]


class PlanParams(C.Structure):
    _fields_ = [('width', C.c_int), ('height', C.c_int), ('cpu', C.c_uint)]


class SessionParams(C.Structure):
    _fields_ = [('max_batch', C.c_int), ('threads', C.c_int), ('features', C.c_bool)]


class Output(C.Structure):
    _fields_ = [('logits', C.POINTER(C.c_float)), ('features', C.POINTER(C.c_float)),
                ('n', C.c_int), ('n_classes', C.c_int), ('h', C.c_int), ('w', C.c_int),
                ('c', C.c_int)]


def load_library():
    lib = C.CDLL(os.environ['CORED_LIBRARY'])
    for name in ('cored_model_new', 'cored_plan_new', 'cored_session_new', 'cored_session_input'):
        getattr(lib, name).restype = C.c_void_p
    lib.cored_cpu_flags.restype = C.c_uint
    return lib


def check(pointer, error):
    if not pointer:
        sys.exit('libcored: ' + error.message.decode())
    return C.c_void_p(pointer)


class Engine:
    """One network in libcored; a session for each number of threads."""

    def __init__(self, lib, name, model, size, batch):
        self.lib, self.size, self.batch = lib, size, batch
        error = Error()
        info = C.create_string_buffer(1 << 20)  # a CoredModelInfo is smaller
        if not lib.cored_model_info_init(info, name.encode(), 2, C.byref(error)):
            sys.exit(error.message.decode())
        tensors = {k: np.ascontiguousarray(v.detach().numpy(), np.float32)
                   for k, v in networks.tensors_of(model).items()}
        views = (TensorView * len(tensors))()
        for view, (key, value) in zip(views, tensors.items()):
            view.name, view.dtype, view.rank = key.encode(), 0, value.ndim
            view.dims[:value.ndim] = value.shape
            view.data, view.size = value.ctypes.data, value.nbytes
        handle = check(lib.cored_model_new(info, views, C.c_size_t(len(tensors)), C.byref(error)),
                       error)
        params = PlanParams(size, size, lib.cored_cpu_flags())
        self.plan = check(lib.cored_plan_new(handle, C.byref(params), C.byref(error)), error)
        lib.cored_model_unref(handle)
        self.sessions = {}

    def prepare(self, threads, x):
        error = Error()
        params = SessionParams(self.batch, threads, False)
        session = check(self.lib.cored_session_new(self.plan, C.byref(params), C.byref(error)),
                        error)
        address = C.c_void_p(self.lib.cored_session_input(session))
        C.memmove(address, x.ctypes.data, x.nbytes)
        self.sessions[threads] = (session, address)

    def run(self, threads):
        session, address = self.sessions[threads]
        out = Output()
        self.lib.cored_session_run(session, address, self.batch, C.byref(out))
        return out

    def logits(self, threads):
        out = self.run(threads)
        return np.ctypeslib.as_array(out.logits, (out.n, out.n_classes)).copy()


class Whole(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.head(self.model.features(x))


def frozen(model, x):
    with torch.no_grad():
        module = torch.jit.freeze(torch.jit.trace(Whole(model).eval(), x))
        module = torch.jit.optimize_for_inference(module)
        for _ in range(3):
            module(x)
    return module


def time_of(call, reps, clock):
    call()
    times = []
    for _ in range(reps):
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times) * 1e3


def compare(lib, case, threads, rounds, clock):
    name, size, batch = (case.split(':') + ['1'])[:3]
    size, batch = int(size), int(batch)
    model = networks.make(name, 1, 2, size)
    x = torch.randn(batch, 3, size, size)
    engine = Engine(lib, name, model, size, batch)
    nhwc = np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy())
    module = frozen(model, x)
    want = module(x).detach().numpy()
    for t in threads:
        engine.prepare(t, nhwc)
        got = engine.logits(t)
        got = got[:, 1:] - got[:, :1] if want.shape[1] == 1 else got
        error = np.abs(got - want).max() / np.abs(want).max()
        if not error < 1e-3:
            sys.exit(f'{case}: logits differ by {error:.2e}')
    ours, theirs = {t: [] for t in threads}, {t: [] for t in threads}
    for _ in range(rounds):
        for t in threads:
            torch.set_num_threads(t)
            with torch.no_grad():
                theirs[t].append(time_of(lambda: module(x), 5, clock))
            time.sleep(0.02)  # PyTorch's threads spin for a while after a run
            ours[t].append(time_of(lambda: engine.run(t), 5, clock))
    for t in threads:
        a, b = statistics.median(ours[t]), statistics.median(theirs[t])
        ratio = statistics.median(q / p for p, q in zip(ours[t], theirs[t]))
        print(f'{name:16} {size:5} {batch:5} {t:7} {b:12.2f} {a:12.2f} {ratio:8.2f}', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--threads', default='1,2')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--clock', choices=('wall', 'cpu'), default='wall')
    parser.add_argument('cases', nargs='*', default=DEFAULT)
    args = parser.parse_args()
    lib = load_library()
    clock = time.perf_counter if args.clock == 'wall' else time.thread_time
    threads = [int(t) for t in args.threads.split(',')]
    print(f'# PyTorch {torch.__version__} frozen + optimize_for_inference, '
          f'OPENBLAS_NUM_THREADS={os.environ["OPENBLAS_NUM_THREADS"]}, medians of {args.rounds} '
          f'interleaved rounds, {args.clock} time')
    print(f'{"network":16} {"size":>5} {"batch":>5} {"threads":>7} {"pytorch ms":>12} '
          f'{"cored ms":>12} {"ratio":>8}')
    for case in args.cases:
        compare(lib, case, threads, args.rounds, clock)


if __name__ == '__main__':
    main()
