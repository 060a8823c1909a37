# SPDX-License-Identifier: MIT
"""Every network of the registry against PyTorch, seeded random weights, two input sizes:
parameter names and shapes, features and logits.

    networks.test.py PROBE NETWORK

Error measure: max |C - PyTorch| / max |PyTorch|, at most 1e-4. Exit code 77: PyTorch is absent."""
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

import networks

TOLERANCE = 1e-4
SIZES = {'xception': (128, 299), 'efficientnet-b0': (128, 224), 'meso4': (256, 225),
         'mesoinception4': (256, 225), 'cored-compact': (128, 75)}
PARAMETERS = {'xception': 20811050, 'efficientnet-b0': 4010110, 'meso4': 27977,
              'mesoinception4': 28615}


def check_names(probe, name, model, n_classes):
    """The order of the C parameter block, after comparing names and shapes."""
    text = subprocess.run([probe, 'list', name, str(n_classes)], check=True, capture_output=True,
                          text=True).stdout
    listed = {}
    for line in text.splitlines():
        key, *dims = line.split()
        listed[key] = tuple(map(int, dims))
    expected = {k: tuple(v.shape) for k, v in networks.tensors_of(model).items()}
    if listed != expected:
        sys.exit(f'{name}: names or shapes differ: {set(listed.items()) ^ set(expected.items())}')
    return list(listed)


def compare(what, got, expected):
    error = np.abs(got - expected).max() / np.abs(expected).max()
    print(f'{what}: max relative error {error:.2e}')
    return bool(np.isfinite(error) and error <= TOLERANCE)


def check_size(probe, name, model, order, size, n, folder):
    torch.manual_seed(size)
    x = torch.randn(n, 3, size, size)
    with torch.no_grad():
        features = model.features(x)
        logits = networks.logits_of(model, features)
    tensors = networks.tensors_of(model)
    block = np.concatenate([tensors[k].numpy().ravel() for k in order]).astype('<f4')
    block.tofile(folder / 'params')
    x.permute(0, 2, 3, 1).contiguous().numpy().astype('<f4').tofile(folder / 'input')
    subprocess.run([probe, 'run', name, str(model.n_classes), str(n), str(size), folder / 'params',
                    folder / 'input', folder / 'out'], check=True)
    out = np.fromfile(folder / 'out', '<f4')
    got_logits = out[:logits.numel()].reshape(logits.shape)
    got_features = out[logits.numel():].reshape(features.permute(0, 2, 3, 1).shape)
    good = compare(f'{name} {size} features', got_features, features.permute(0, 2, 3, 1).numpy())
    return compare(f'{name} {size} logits', got_logits, logits.numpy()) and good


def main():
    probe, name = sys.argv[1:]
    good = True
    for i, size in enumerate(SIZES[name]):
        n_classes = 2 if i == 0 or name.startswith('meso') else 5
        model = networks.make(name, 1 + i, n_classes, size if name.startswith('meso') else None)
        model.n_classes = n_classes
        count = sum(p.numel() for p in model.parameters())
        if n_classes == 2 and count != PARAMETERS.get(name, count):
            sys.exit(f'{name}: {count} parameters, expected {PARAMETERS[name]}')
        order = check_names(probe, name, model, n_classes)
        with tempfile.TemporaryDirectory() as folder:
            good &= check_size(probe, name, model, order, size, 2 if i == 0 else 1, Path(folder))
    return 0 if good else 1


sys.exit(main())
