# SPDX-License-Identifier: MIT
"""Training against PyTorch: one network, every method, the same weights and batches.

    train.test.py NETWORK_PROBE TRAIN_PROBE NETWORK [CASE...]

For every case: the loss terms of step 0 within 1e-4, each parameter's gradient of step 0 within 1e-3
(norm of the difference over norm), store occupancy equal, and the total loss of 20 steps within 1 %.
Exit code 77: PyTorch is absent."""
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
SIZES = {'meso4': 256, 'mesoinception4': 256}
CASES = {
    'first': dict(method='FT', teacher=False, lr=0.01),
    'FT': dict(method='FT', lr=0.01),
    'KD': dict(method='KD', lr=0.001),
    'TG': dict(method='TG', lr=0.01),
    'CoReD': dict(method='CoReD', lr=2e-5),
    'CoReD-vector': dict(method='CoReD', representation='vector', lr=2e-5),
    'CoReD-train': dict(method='CoReD', batch_norm='train', lr=0.001),
    'AdamW': dict(method='KD', optimizer='adamw', lr=1e-4, decay=0.05),
    'decay': dict(method='FT', momentum=0.9, decay=0.01, clip=0.5, batch_norm='frozen', lr=1e-4),
}
STEPS, BATCHES, BATCH = 20, 4, 8


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


def check_gradients(folder, model, order, gradients):
    flat = np.fromfile(folder / 'gradients', '<f4')
    worst, at, used = 0.0, '', 0
    largest = max(float(g.norm()) for g in gradients.values())
    for name in order:
        if name not in gradients:
            continue
        expected = gradients[name].numpy().ravel().astype(np.float64)
        got = flat[used:used + expected.size].astype(np.float64)
        used += expected.size
        norm = np.linalg.norm(expected)
        # A gradient that is zero in exact arithmetic (a bias before batch norm) is noise in both.
        error = np.linalg.norm(got - expected) / max(norm, 1e-5 * largest)
        if error > worst:
            worst, at = error, name
    assert used == flat.size, 'the number of gradients differs'
    return worst, at


def run_case(name, label, case, probes, base):
    case = dict(case)
    use_teacher = case.pop('teacher', True)
    size = SIZES.get(name, 64)
    teacher = method.twin(base['teacher'])
    student = method.twin(base['student'])
    images, labels = base['images'], base['labels']
    trainer = method.Method(student, teacher if use_teacher else None, **case)
    head = lambda n: n.startswith(HEADS[name])
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        write_params(student, base['order'], folder / 'student')
        write_params(teacher, base['order'], folder / 'teacher')
        images.permute(0, 1, 3, 4, 2).contiguous().numpy().astype('<f4').tofile(folder / 'images')
        labels.numpy().astype('<i4').tofile(folder / 'labels')
        options = dict(case, network=name, size=size, batch=BATCH, steps=STEPS, adapt=BATCHES,
                       student=folder / 'student', images=folder / 'images',
                       labels=folder / 'labels', gradients=folder / 'gradients')
        if use_teacher:
            options['teacher'] = folder / 'teacher'
        got = subprocess.run([probes[1]] + [f'{k}={v}' for k, v in options.items()], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.splitlines()
        rows = [[float(v) for v in line.split()] for line in got]
        if use_teacher and case['method'] == 'CoReD':
            for i in range(BATCHES):
                trainer.add_representation(images[i], labels[i])
        good, drift = True, 0.0
        for step in range(STEPS):
            i = step % BATCHES
            terms, counts, gradients = trainer.step(images[i], labels[i], head)
            drift = max(drift, relative(rows[step][0], terms['total']))
            if step:
                continue
            for term, value in zip(TERMS, rows[0]):
                if relative(value, terms[term]) > 1e-4 and abs(value - terms[term]) > 1e-7:
                    print(f'{label}: {term} is {value}, PyTorch has {terms[term]}')
                    good = False
            mine = [counts.get((k, c), 0) for k in range(5) for c in range(2)]
            if case['method'] == 'CoReD' and use_teacher and rows[0][len(TERMS):] != mine:
                print(f'{label}: stores {rows[0][len(TERMS):]}, PyTorch has {mine}')
                good = False
            worst, at = check_gradients(folder, student, base['order'], gradients)
            good &= worst <= 1e-3
        good &= drift <= 0.01
        print(f'{name} {label}: worst gradient {worst:.1e} ({at}), loss over {STEPS} steps within '
              f'{drift:.1e}, pairs {int(rows[0][8])} {"ok" if good else "BAD"}', flush=True)
    return good


def main():
    probes, name, wanted = sys.argv[1:3], sys.argv[3], sys.argv[4:] or list(CASES)
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
    good = [run_case(name, label, CASES[label], probes, base) for label in wanted]
    return 0 if all(good) else 1


sys.exit(main())
