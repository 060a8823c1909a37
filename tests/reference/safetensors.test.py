# SPDX-License-Identifier: MIT
"""Model files of cored in the hands of the safetensors package of PyPI: it reads them, and PyTorch
gives the logits that the engine gives with them.

    safetensors.test.py CONVERT RUN_MODEL

The package is in neither Debian 12 nor 13. tests/run.sh puts it into build-python, a
virtual environment beside the system's modules; this script goes on in there. Exit code 77: the
package or PyTorch is absent."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pypi_venv

CONVERT, RUN_MODEL = sys.argv[1:3]
NETWORKS = ['xception', 'efficientnet-b0', 'meso4', 'mesoinception4', 'cored-compact']

try:
    import numpy as np
    import torch
    import networks
    import safetensors
    import safetensors.torch
except ImportError as missing:
    pypi_venv.go_on(missing)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'{command}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def check(network, folder):
    """PyTorch's weights through cored-convert and the package back into another PyTorch model."""
    model = networks.make(network, 7)
    pth, path = Path(folder, network + '.pth'), Path(folder, network + '.safetensors')
    torch.save(model.state_dict(), pth)
    run(CONVERT, 'import', pth, '-n', network, '-o', path)
    with safetensors.safe_open(str(path), framework='pt') as file:
        metadata = file.metadata()
        assert metadata['cored.network'] == network
        assert set(file.keys()) == {k for k in model.state_dict() if 'num_batches' not in k}
    again = networks.make(network, 8)
    missing, extra = again.load_state_dict(safetensors.torch.load_file(str(path)), strict=False)
    assert not extra and all('num_batches' in k for k in missing), (missing, extra)

    width, height = json.loads(metadata['cored.input-size'])
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    raw = Path(folder, 'raw')
    raw.write_bytes(pixels.tobytes())
    engine = np.array([float(x) for x in run(RUN_MODEL, path, width, height, raw).split()[1:]])
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(json.loads(metadata['cored.' + key])).view(1, 3, 1, 1)
                 for key in ('mean', 'std'))
    with torch.no_grad():
        first, second = (networks.logits_of(m, m.features((x - mean) / std)).numpy()[0]
                         for m in (model, again))
    assert np.array_equal(first, second), network
    error = np.abs(engine - second).max() / np.abs(second).max()
    print(f'{network}: engine {engine}, PyTorch {second}, relative difference {error:.1e}')
    assert error <= 1e-4, network


if __name__ == '__main__':
    print('safetensors', safetensors.__version__, 'PyTorch', torch.__version__)
    with tempfile.TemporaryDirectory() as where:
        for name in NETWORKS:
            check(name, where)
