# SPDX-License-Identifier: MIT
"""Training against PyTorch: one network, every method, the same weights and batches.

    train.test.py NETWORK_PROBE TRAIN_PROBE TRAIN_PROBE_DOUBLE NETWORK [CASE[=STEPS]... | all[=STEPS]]

For every case, with the weights as they start, on each of four batches: loss terms, store occupancy and
every parameter's gradient (norm of the difference over norm). The trainer's sources compiled for double
against PyTorch in float64: loss terms within 1e-6, gradients within 1e-5 (what remains is the exponential of
swish, good to 1e-8; networks without it agree to 1e-10). The trainer itself, in float32,
against the same: loss terms within 1e-4, gradients within 1e-3.

In float32 the gradient of a network with ReLU and max-pool jumps where a value lies within rounding of
a kink, and one such value among millions moves a gradient by 1e-3 to 1e-2, in networks with few weights on
large maps (MesoInception4's 1x1 convolutions of three channels) by more than 1e-1: PyTorch's own float32
gradients are that far from its float64 ones, and which batch meets a kink depends on the CPU. So there, of
the batches the best counts for a tensor, the middle one may not be off by more than 1e-2, and none by more
than 0.5, where a gradient that has nothing to do with the right one is off by 1 and more; the comparison in
double, where every batch counts, has no such excuse.

Then 20 steps of training (or STEPS; 0: none), in float32 and, at rates that move the weights, in double: before every step
PyTorch, in float64, takes over the trainer's weights and statistics. So both compute the same step, however
far two runs of different rounding would be apart by then, and these bounds hold: loss terms and gradients as
above (with steps for batches), statistics as loss terms; and the optimizer, given the
trainer's gradients, makes the trainer's next weights up to the rounding of a few operations.

A sample's store changes by a jump where its confidence passes an edge. On the first weights every sample is
asserted to be farther from the edges than rounding goes; in a run a step with a nearer one is not compared,
and at most a quarter of the steps may be like that.

Exit code 77: PyTorch is absent."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import torch
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)

import method
import networks

TERMS = ('total', 'student', 'distillation', 'representation', 'starting_point', 'classifier',
         'gate', 'teacher', 'pairs', 'norm')
HEADS = {'xception': ('last_linear.',), 'efficientnet-b0': ('_fc.',), 'meso4': ('fc1.', 'fc2.'),
         'mesoinception4': ('fc1.', 'fc2.'), 'cored-compact': ('classifier.',)}
SIZES = {'xception': 32, 'meso4': 256, 'mesoinception4': 256}
CASES = {
    'first': dict(method='FT', teacher=False, lr=1e-4),
    'FT': dict(method='FT', lr=1e-4),
    'KD': dict(method='KD', lr=1e-4),
    'TG': dict(method='TG', lr=1e-4),
    'CoReD': dict(method='CoReD', lr=2e-5),
    'CoReD-vector': dict(method='CoReD', representation='vector', lr=2e-5),
    'CoReD-train': dict(method='CoReD', batch_norm='train', lr=1e-4),
    'AdamW': dict(method='KD', optimizer='adamw', lr=1e-5, decay=0.05),
    'decay': dict(method='FT', momentum=0.9, decay=0.01, clip=0.5, batch_norm='frozen', lr=1e-4),
}
# Rates in float32, times those of CASES. (Vectors make Xception's objective two hundred times the others'.)
RATES = {'efficientnet-b0': 0.05, 'meso4': 0.1, 'mesoinception4': 0.1,
         ('xception', 'CoReD-vector'): 0.001}
STEPS, BATCHES, BATCH = 20, 4, 8
# In double the rates of CASES times this (10 where nothing is said): every case of the compact network, and one
# of the slow suite on the two large ones, where double costs several times as much.
FASTER = {('xception', 'CoReD-vector'): 0.1, ('efficientnet-b0', 'CoReD-vector'): 0.2}
LARGE, LARGE_CASES = ('xception', 'efficientnet-b0'), ('CoReD-vector',)
# What the two precisions have to keep: loss terms, gradients on the best batch, on which share of the batches
# at most how much, and on all. `edge`: how far rounding can move a confidence; `epsilon`: of the numbers' own
# format.
FLOAT = dict(dtype='<f4', terms=1e-4, best=1e-3, share=0.5, most=1e-2, all=0.5, edge=1e-4, epsilon=2.0 ** -23,
             probe=1, name='float')
DOUBLE = dict(dtype='<f8', terms=1e-6, best=1e-5, share=1.0, most=1e-5, all=1e-5, edge=1e-6, epsilon=2.0 ** -52,
              probe=2, name='double')
# AdamW's 1 - beta2 = 0.001, rounded in the trainer's format, is off by up to epsilon / 0.001 of itself: that
# much the length of a step is uncertain. SGD stays far below.
STEP_ROUNDING = 1000


def write_params(model, order, path):
    tensors = networks.tensors_of(model)
    np.concatenate([tensors[k].detach().numpy().ravel() for k in order]).astype('<f4').tofile(path)


def data(size, teacher):
    """Batches whose labels the teacher knows for the most part, so that stores fill."""
    torch.manual_seed(11)
    images = torch.randn(BATCHES, BATCH, 3, size, size)
    labels = torch.empty(BATCHES, BATCH, dtype=torch.long)
    with torch.no_grad():
        for i in range(BATCHES):
            labels[i] = networks.logits_of(teacher, teacher.features(images[i])).argmax(1)
    labels[:, 0] = 1 - labels[:, 0]
    return images, labels


def disturbed(model):
    """A student that has moved a little from its teacher."""
    student = method.twin(model)
    with torch.no_grad():
        for p in student.parameters():
            p += 0.02 * p.abs().mean() * torch.randn_like(p)
    return student


def spread(model, images):
    """Scale the last layer so that the confidences of the stores' range all occur."""
    last = [m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        z = networks.logits_of(model, model.features(images))
        margin = z[:, 1] - z[:, 0]
        scale = 2.0 / float(margin.std() + 1e-6)
        last.weight *= scale
        last.bias.zero_()
        margin = networks.logits_of(model, model.features(images))
        last.bias[-1] = -float((margin[:, 1] - margin[:, 0]).mean())


def relative(got, expected):
    return abs(got - expected) / max(abs(expected), 1e-6)


def gradient_errors(flat, order, gradients):
    """Relative error of every tensor. A gradient that is zero in exact arithmetic (a bias before
    batch norm) is rounding noise in both: it is measured against the largest gradient."""
    errors, used = {}, 0
    largest = max(float(g.norm()) for g in gradients.values())
    for name in order:
        if name not in gradients:
            continue
        expected = gradients[name].numpy().ravel().astype(np.float64)
        got = flat[used:used + expected.size].astype(np.float64)
        used += expected.size
        floor = 1e-4 * largest
        errors[name] = np.linalg.norm(got - expected) / max(np.linalg.norm(expected), floor)
    assert used == flat.size, 'the number of gradients differs'
    return errors


def probe_command(probe, name, base, use_teacher, options):
    size = SIZES.get(name, 64)
    options = dict(options, network=name, size=size, batch=BATCH, adapt=BATCHES,
                   student=base['folder'] / 'student', images=base['folder'] / 'images',
                   labels=base['folder'] / 'labels')
    if use_teacher:
        options['teacher'] = base['folder'] / 'teacher'
    return [probe] + [f'{k}={v}' for k, v in options.items()]


def table(text):
    return [[float(v) for v in line.split()] for line in text.splitlines()]


def make_trainer(base, case, use_teacher):
    student, teacher = method.twin(base['student']).double(), method.twin(base['teacher']).double()
    trainer = method.Method(student, teacher if use_teacher else None, **case)
    if use_teacher and case['method'] == 'CoReD':
        for images, labels in zip(base['images'], base['labels']):
            trainer.add_representation(images.double(), labels)
    return trainer


def same_terms(where, row, terms, counts, with_stores, bound):
    """A line of the probe against PyTorch's loss terms and counts of the stores."""
    good = True
    for term, value in zip(TERMS[:-1], row):
        if relative(value, terms[term]) > bound and abs(value - terms[term]) > 1e-3 * bound:
            print(f'{where}: {term} is {value}, PyTorch has {terms[term]}')
            good = False
    theirs = [counts.get((k, c), 0) for k in range(5) for c in range(2)]
    if with_stores and row[len(TERMS):] != theirs:
        print(f'{where}: stores {row[len(TERMS):]}, PyTorch has {theirs}')
        good = False
    return good


def rate_gradients(found, precision):
    """Of every tensor's errors, batch by batch: are they small enough? And what to say of them."""
    sizes = {key: sorted(errors) for key, errors in found.items()}
    best = {key: errors[0] for key, errors in sizes.items()}
    at = max(best, key=best.get)
    most = max(errors[int(np.ceil(precision['share'] * len(errors))) - 1] for errors in sizes.values())
    worst = max(errors[-1] for errors in sizes.values())
    share = 'half' if precision['share'] == 0.5 else 'all'
    finite = np.isfinite(list(sizes.values())).all()
    return (bool(finite) and best[at] <= precision['best'] and most <= precision['most'] and
            worst <= precision['all'],
            f'gradients within {best[at]:.1e} ({at}), on {share} of the batches within {most:.1e}, '
            f'at most {worst:.1e}')


def check_start(name, label, case, probes, base, use_teacher, folder, precision):
    """Loss terms, stores and gradients of every batch at the first weights, against float64."""
    still = dict(case, lr=0.0, momentum=0.0, decay=0.0, clip=0.0, optimizer='sgd', steps=BATCHES,
                 gradients=folder / 'gradients')
    rows = table(subprocess.run(probe_command(probes[precision['probe']], name, base, use_teacher, still), check=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout)
    flat = np.fromfile(folder / 'gradients', precision['dtype']).reshape(BATCHES, -1)
    good, found = True, {}
    for i in range(BATCHES):
        terms, counts, gradients = base['start'][i]
        good &= same_terms(f'{label}, {precision["name"]}: batch {i}', rows[i], terms, counts,
                           case['method'] == 'CoReD' and use_teacher, precision['terms'])
        for key, error in gradient_errors(flat[i], base['order'], gradients).items():
            found.setdefault(key, []).append(error)
    fine, told = rate_gradients(found, precision)
    print(f'{name} {label}, {precision["name"]}: {told}, pairs {int(rows[0][8])}', flush=True)
    return good and fine


def start_of(name, case, base, use_teacher):
    """What PyTorch has on every batch, in float64, of samples that rounding leaves in their stores."""
    trainer = make_trainer(base, case, use_teacher)
    start = [trainer.backward(images.double(), labels, head_of(name))
             for images, labels in zip(base['images'], base['labels'])]
    assert trainer.margin > FLOAT['edge'], f'a confidence is {trainer.margin} from the edge of a store: other data'
    return start


def head_of(name):
    return lambda parameter: parameter.startswith(HEADS[name])


class Trace:
    """The numbers that a probe sends while it trains."""

    def __init__(self, file, dtype, order, model):
        self.file, self.dtype = file, np.dtype(dtype)
        tensors, trained = networks.tensors_of(model), dict(model.named_parameters())
        self.shapes = {k: tensors[k].shape for k in order}
        self.trained = {k: v for k, v in self.shapes.items() if k in trained}

    def read(self, shapes):
        out = {}
        for name, shape in shapes.items():
            data = self.file.read(shape.numel() * self.dtype.itemsize)
            out[name] = torch.from_numpy(np.frombuffer(data, self.dtype).astype(np.float64).reshape(shape))
        return out

    def gradients(self):
        return self.read(self.trained)

    def student(self):
        return self.read(self.shapes)


def distance(a, b):
    return float((a - b).norm())


def state_errors(before, mine, theirs, trained):
    """How far the next weights are from PyTorch's, in units of rounding; how far the statistics are."""
    weights, statistics = 0.0, 0.0
    for key, value in mine.items():
        error = distance(value, theirs[key])
        if key in trained:
            step = STEP_ROUNDING * distance(theirs[key], before[key])
            weights = max(weights, error / max(float(theirs[key].norm()) + step, 1e-30))
        else:
            statistics = max(statistics, error / max(float(theirs[key].norm()), 1e-30))
    return weights, statistics


def compare_steps(name, n, base, trace, trainer):
    """Every step at the weights that the probe has before it: what PyTorch has, and how far the gradients,
    next weights and statistics are from its."""
    steps, student = [], trainer.student
    before = trace.student()
    for step in range(n):
        student.load_state_dict(before, strict=False)
        trainer.margin = np.inf
        i = step % BATCHES
        terms, counts, theirs = trainer.backward(base['images'][i].double(), base['labels'][i], head_of(name))
        mine = trace.gradients()
        flat = np.concatenate([g.numpy().ravel() for g in mine.values()])
        errors = gradient_errors(flat, base['order'], theirs)
        trainer.update(mine)
        after = trace.student()
        weights, statistics = state_errors(before, after, networks.tensors_of(student), trace.trained)
        steps.append(dict(terms=terms, counts=counts, margin=trainer.margin, gradients=errors, weights=weights,
                          statistics=statistics))
        before = after
    return steps


def traced_run(name, case, n, probe, base, use_teacher, precision):
    trainer = make_trainer(base, case, use_teacher)
    out, into = os.pipe()
    options = dict(case, steps=n, states=f'/dev/fd/{into}', gradients=f'/dev/fd/{into}')
    with subprocess.Popen(probe_command(probe, name, base, use_teacher, options), pass_fds=[into],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        os.close(into)
        with os.fdopen(out, 'rb') as file:
            trace = Trace(file, precision['dtype'], base['order'], base['student'])
            steps = compare_steps(name, n, base, trace, trainer)
            assert not file.read(1), 'the probe sends more than was expected'
        rows = table(process.communicate()[0])
    assert process.returncode == 0
    return rows, steps


def check_run(name, label, case, n, probes, base, use_teacher, precision):
    rows, steps = traced_run(name, case, n, probes[precision['probe']], base, use_teacher, precision)
    with_stores = case['method'] == 'CoReD' and use_teacher
    sure = [i for i in range(n) if not with_stores or steps[i]['margin'] > precision['edge']]
    good = len(sure) >= n - n // 4
    drift, found = 0.0, {}
    for i in sure:
        good &= same_terms(f'{label}, {precision["name"]}: step {i}', rows[i], steps[i]['terms'], steps[i]['counts'],
                           with_stores, precision['terms'])
        drift = max(drift, relative(rows[i][0], steps[i]['terms']['total']))
        for key, error in steps[i]['gradients'].items():
            found.setdefault(key, []).append(error)
    weights, statistics = (max(step[k] for step in steps) for k in ('weights', 'statistics'))
    first, last = (sum(r[0] for r in part) / BATCHES for part in (rows[:BATCHES], rows[-BATCHES:]))
    fine, told = rate_gradients(found, precision)
    print(f'{name} {label}, {precision["name"]}: lr {case["lr"]:.2g}, mean loss of the batches from {first:.4f} to '
          f'{last:.4f}; in {len(sure)} of {n} steps loss within {drift:.1e}, {told}; weights {weights:.1e}, '
          f'statistics {statistics:.1e}', flush=True)
    return (good and fine and weights <= precision['epsilon'] and statistics <= precision['terms'])


def run_case(name, label, case, n, probes, base):
    case = dict(case)
    use_teacher = case.pop('teacher', True)
    case['lr'] *= RATES.get((name, label), RATES.get(name, 1.0))
    base['start'] = start_of(name, case, base, use_teacher)
    with tempfile.TemporaryDirectory() as text:
        good = [check_start(name, label, case, probes, base, use_teacher, Path(text), precision)
                for precision in (DOUBLE, FLOAT)]
    if n == 0:
        return all(good)
    good.append(check_run(name, label, case, n, probes, base, use_teacher, FLOAT))
    if name == 'cored-compact' or (name in LARGE and label in LARGE_CASES):
        case['lr'] = CASES[label]['lr'] * FASTER.get((name, label), 10)
        good.append(check_run(name, label, case, n, probes, base, use_teacher, DOUBLE))
    return all(good)


def main():
    probes, name = sys.argv[1:4], sys.argv[4]
    asked = [(label, int(n or STEPS)) for label, _, n in (c.partition('=') for c in sys.argv[5:] or ['all'])]
    wanted = [(label, n) for a, n in asked for label in (CASES if a == 'all' else [a])]
    torch.set_num_threads(1)
    size = SIZES.get(name, 64)
    base = {'teacher': networks.without_dropout(networks.make(name, 1, size=size))}
    images, _ = data(size, base['teacher'])
    spread(base['teacher'], images.flatten(0, 1))
    base['images'], base['labels'] = data(size, base['teacher'])
    base['student'] = disturbed(base['teacher'])
    listed = subprocess.run([probes[0], 'list', name, '2'], check=True, capture_output=True,
                            text=True).stdout
    base['order'] = [line.split()[0] for line in listed.splitlines()]
    with tempfile.TemporaryDirectory() as text:
        folder = base['folder'] = Path(text)
        write_params(base['student'], base['order'], folder / 'student')
        write_params(base['teacher'], base['order'], folder / 'teacher')
        base['images'].permute(0, 1, 3, 4, 2).contiguous().numpy().tofile(folder / 'images')
        base['labels'].numpy().astype('<i4').tofile(folder / 'labels')
        good = [run_case(name, label, CASES[label], n, probes, base) for label, n in wanted]
    return 0 if all(good) else 1


sys.exit(main())
