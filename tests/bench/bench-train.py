# SPDX-License-Identifier: MIT
"""Training speed and memory beside PyTorch in one run: forward, backward and SGD on one batch.

    bench-train.py NETWORK_PROBE TRAIN_PROBE [NETWORK [SIZE [BATCH [THREADS [STEPS [METHOD]]]]]]

Prints wall-clock images/s, CPU seconds per step (steadier on a busy machine; PyTorch's idle threads
spin, so compare CPU time with THREADS 1) and peak memory of a process of its own. Exit code 77: PyTorch
is absent."""
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'reference'))


def usage(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def prepare(probe, name, size, batch, folder):
    import numpy as np
    import torch
    import networks
    model = networks.make(name, 1, size=256 if name.startswith('meso') else 64)
    listed = subprocess.run([probe, 'list', name, '2'], check=True, capture_output=True,
                            text=True).stdout
    tensors = networks.tensors_of(model)
    flat = [tensors[line.split()[0]].detach().numpy().ravel() for line in listed.splitlines()]
    np.concatenate(flat).astype('<f4').tofile(folder / 'weights')
    torch.manual_seed(1)
    torch.randn(batch, size, size, 3).numpy().tofile(folder / 'images')
    torch.randint(0, 2, (batch,)).numpy().astype('<i4').tofile(folder / 'labels')


def run_ours(probe, folder, options, steps):
    """Time and CPU time of `steps` steps after the first: two runs, one step and 1 + steps."""
    took = []
    for n in (1, 1 + steps):
        cpu, wall = usage(resource.RUSAGE_CHILDREN)[0], time.monotonic()
        subprocess.run([probe] + [f'{k}={v}' for k, v in options.items()] + [f'steps={n}'],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took.append((time.monotonic() - wall, usage(resource.RUSAGE_CHILDREN)[0] - cpu))
    return [b - a for a, b in zip(*took)]


def run_torch(name, size, batch, threads, steps, how, layout):
    import torch
    import method
    import networks
    torch.set_num_threads(threads)
    model = networks.without_dropout(networks.make(name, 1, size=256 if name.startswith('meso') else 64))
    torch.manual_seed(1)
    images = torch.randn(batch, size, size, 3).permute(0, 3, 1, 2)
    labels = torch.randint(0, 2, (batch,))
    images = images.contiguous(memory_format=getattr(torch, layout))
    model = model.to(memory_format=getattr(torch, layout))
    teacher = method.twin(model) if how != 'FT' else None
    trainer = method.Method(model, teacher, how, lr=1e-4)
    if how == 'CoReD':
        trainer.add_representation(images, labels)

    def step():
        trainer.optimizer.zero_grad()
        trainer.losses(images, labels, lambda n: False)[0]['total'].backward()
        trainer.optimizer.step()

    step()
    cpu, wall = usage(resource.RUSAGE_SELF)[0], time.monotonic()
    for _ in range(steps):
        step()
    report('PyTorch ' + layout, batch, steps, time.monotonic() - wall,
           usage(resource.RUSAGE_SELF)[0] - cpu, usage(resource.RUSAGE_SELF)[1])


def report(what, batch, steps, wall, cpu, memory):
    print(f'{what:28s} {batch * steps / wall:7.2f} images/s {cpu / steps:7.2f} CPU s/step '
          f'{memory:6d} MiB', flush=True)


def main():
    given = sys.argv[3:] + [None] * 6
    name, size, batch, threads, steps, how = [
        a or b for a, b in zip(given, ('xception', 128, 32, 2, 3, 'FT'))]
    size, batch, threads, steps = int(size), int(batch), int(threads), int(steps)
    if os.environ.get('BENCH_LAYOUT'):
        run_torch(name, size, batch, threads, steps, how, os.environ['BENCH_LAYOUT'])
        return 0
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        prepare(sys.argv[1], name, size, batch, folder)
        options = dict(network=name, size=size, batch=batch, threads=threads, method=how, lr=1e-4,
                       student=folder / 'weights', images=folder / 'images',
                       labels=folder / 'labels')
        if how != 'FT':
            options.update(teacher=folder / 'weights', adapt=1)
        print(f'{name} {size}x{size}, batch {batch}, {threads} threads, {how}', flush=True)
        wall, cpu = run_ours(sys.argv[2], folder, options, steps)
        report('cored', batch, steps, wall, cpu, usage(resource.RUSAGE_CHILDREN)[1])
    for layout in ('channels_last', 'contiguous_format'):
        subprocess.run([sys.executable] + sys.argv, check=True,
                       env=dict(os.environ, BENCH_LAYOUT=layout, OPENBLAS_NUM_THREADS=str(threads)))
    return 0


try:
    import torch  # noqa: F401
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)
sys.exit(main())
