# SPDX-License-Identifier: MIT
"""Exported ONNX files in the hands of ONNX Runtime: the probabilities and logits are the engine's, for
every network, at its usual size and at odd ones, in batches of 1 and 3; and, where the published
MesoNet files are at hand, of real weights and pictures. And files that PyTorch exported: with their
names they import to the weights that they were exported from.

    onnx.test.py CONVERT RUN_MODEL SHARED

ONNX Runtime is in neither Debian 12 nor 13. tests/run.sh puts it into build-python, a
virtual environment beside the system's modules; this script goes on in there. Exit code 77: the
package or PyTorch is absent."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pypi_venv

CONVERT, RUN_MODEL, SHARED = sys.argv[1:4]
TOLERANCE = 1e-4
# Width and height beside the usual: windows then reach over the borders in every way.
NETWORKS = {'xception': '97x131', 'efficientnet-b0': '97x131', 'meso4': '250x241',
            'mesoinception4': '241x250', 'cored-compact': '45x62'}

try:
    import numpy as np
    import torch
    import networks
    import onnxruntime
except ImportError as missing:
    pypi_venv.go_on(missing)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'{command}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def engine(model, pixels, folder):
    """P(fake) and logits of each picture."""
    paths = []
    for i, picture in enumerate(pixels):
        paths.append(Path(folder, f'raw{i}'))
        paths[-1].write_bytes(picture.tobytes())
    height, width = pixels.shape[1:3]
    lines = run(RUN_MODEL, model, width, height, *paths).splitlines()
    values = np.array([[float(x) for x in line.split()] for line in lines])
    return values[:, 0], values[:, 1:]


class Exported:
    """A model, exported and opened by ONNX Runtime."""

    def __init__(self, model):
        path = model.with_suffix('.onnx')
        run(CONVERT, 'export', '--overwrite', model, '-o', path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.said = self.session.get_modelmeta().custom_metadata_map

    def get(self, key):
        return json.loads(self.said['cored.' + key])

    def run(self, pixels):
        mean, std = (np.array(self.get(key), np.float32) for key in ('mean', 'std'))
        x = (pixels.astype(np.float32) / 255 - mean) / std
        return self.session.run(['probabilities', 'logits'],
                                {'input': np.ascontiguousarray(x.transpose(0, 3, 1, 2))})


def compare(what, model, pixels, folder):
    """The largest difference of a probability."""
    exported = Exported(model)
    p_fake, logits = engine(model, pixels, folder)
    scaled = logits / exported.get('temperature')
    expected = np.exp(scaled - scaled.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    worst = 0
    for some in (slice(0, 1), slice(None)):
        found, found_logits = exported.run(pixels[some])
        assert found.shape == expected[some].shape and found.dtype == np.float32
        worst = max(worst, np.abs(found - expected[some]).max(),
                    np.abs(found[:, exported.get('fake-class')] - p_fake[some]).max())
        relative = np.abs(found_logits - logits[some]).max() / max(1, np.abs(logits[some]).max())
        assert relative <= TOLERANCE, (what, relative)
    print(f'{what}: P(fake) {p_fake}, largest difference {worst:.1e}')
    assert worst <= TOLERANCE, what
    return worst


def check_network(network, odd, folder):
    pth = Path(folder, network + '.pth')
    torch.save(networks.make(network, 7).state_dict(), pth)
    worst = 0
    for size in (None, odd):
        model = Path(folder, f'{network}-{size}.safetensors')
        run(CONVERT, 'import', '-q', pth, '-n', network, '-o', model, '--temperature=1.5',
            *(['--input-size=' + size] if size else []))
        width, height = Exported(model).get('input-size')
        pixels = np.random.default_rng(1).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
        worst = max(worst, compare(f'{network} {width}x{height}', model, pixels, folder))
    return worst


class Whole(torch.nn.Module):
    """From the normalized picture to the logits, as somebody would export it."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return networks.logits_of(self.net, self.net.features(x))


def exported_by_pytorch(network, size, path, **options):
    """False where this PyTorch cannot."""
    args = Whole(network), torch.zeros(1, 3, size, size), str(path)
    try:
        try:  # the exporter that keeps names, where there is another
            torch.onnx.export(*args, dynamo=False, **options)
        except TypeError:
            torch.onnx.export(*args, **options)
    except Exception as missing:
        if isinstance(missing, ImportError) or 'not installed' in str(missing):
            print('PyTorch does not export:', missing)
            return False
        raise
    return True


def tensors(model):
    data = model.read_bytes()
    end = 8 + int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:end])
    return {name: (t['shape'], data[end:][slice(*t['data_offsets'])])
            for name, t in header.items() if name != '__metadata__'}


def check_folded(network, name, size, folder):
    """The exporter's default: the batch norms are folded into convolutions, which lose their names.
    What is imported computes what ONNX Runtime does with that file."""
    onnx, out = Path(folder, 'folded.onnx'), Path(folder, 'folded.safetensors')
    if not exported_by_pytorch(network, size, onnx):
        return
    said = run(CONVERT, 'import', '--overwrite', onnx, '-n', name, '-o', out, f'--input-size={size}')
    assert f'told by its structure: {name}' in said, said
    pixels = np.random.default_rng(2).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    _, logits = engine(out, pixels, folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(onnx), options)
    x = np.ascontiguousarray((pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2))
    expected = np.concatenate([session.run(None, {session.get_inputs()[0].name: x[i:i + 1]})[0]
                               for i in range(len(x))])
    relative = np.abs(logits - expected).max() / max(1, np.abs(expected).max())
    print(f'{name}: folded by PyTorch, relative difference {relative:.1e}')
    assert relative <= TOLERANCE, name


def check_pytorch(name, size, folded, folder):
    network = networks.make(name, 5)
    pth, onnx = Path(folder, 'own.pth'), Path(folder, 'theirs.onnx')
    out, expected = Path(folder, 'theirs.safetensors'), Path(folder, 'own.safetensors')
    torch.save(network.state_dict(), pth)
    run(CONVERT, 'import', '-q', '--overwrite', pth, '-n', name, '-o', expected)
    if not exported_by_pytorch(network, size, onnx, do_constant_folding=False,
                               training=torch.onnx.TrainingMode.PRESERVE):
        return
    run(CONVERT, 'import', '--overwrite', onnx, '-o', out)
    assert tensors(out) == tensors(expected), name
    if folded:
        check_folded(network.eval(), name, size, folder)
    print(f'{name}: exported by PyTorch, imported again')


def check_published(folder):
    """MesoNet's own weights and pictures; nothing where they are not there."""
    weights = Path(SHARED, 'data/weights/mesonet')
    files = sorted(weights.glob('*.h5'))
    try:
        from PIL import Image
    except ImportError:
        files = []
    images = sorted(weights.glob('test_images/*/*.jpg'))
    if not files or not images:
        print('no published MesoNet files, or no Pillow: only random weights and pictures')
        return 0
    pixels = np.stack([np.asarray(Image.open(i).convert('RGB').resize((256, 256))) for i in images])
    worst = 0
    for h5 in files:
        model = Path(folder, h5.stem + '.safetensors')
        done = subprocess.run([CONVERT, 'import', '-q', h5, '-o', model], capture_output=True, text=True)
        if ': UNSUPPORTED: ' in done.stderr:  # built without HDF5
            break
        worst = max(worst, compare(h5.stem, model, pixels, folder))
    return worst


if __name__ == '__main__':
    print('ONNX Runtime', onnxruntime.__version__, 'PyTorch', torch.__version__)
    with tempfile.TemporaryDirectory() as where:
        check_pytorch('meso4', 256, False, where)
        check_pytorch('cored-compact', 64, True, where)
        for name in ('xception', 'efficientnet-b0'):
            check_folded(networks.make(name, 5).eval(), name, 128, where)
        found = [check_network(*item, where) for item in NETWORKS.items()] + [check_published(where)]
    print(f'largest difference {max(found):.1e}, allowed {TOLERANCE:.0e}')
