# SPDX-License-Identifier: MIT
"""Model files from outside, by the text of engine/model/format.h alone: files of the engine are
read, their hashes and self-test computed again with PyTorch; files written here load in the engine.

    model.test.py PROBE

Exit code 77: PyTorch is absent. With the module `safetensors` its reader is compared, too."""
import hashlib
import json
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
ZEROS = '0' * 64
HEADER_HASH = 'cored.header-sha256'


def read(path):
    data = Path(path).read_bytes()
    size = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + size])
    metadata = header.pop('__metadata__')
    tensors = {}
    for name, entry in header.items():
        begin, end = entry['data_offsets']
        assert entry['dtype'] == 'F32'
        values = np.frombuffer(data[8 + size:][begin:end], '<f4')
        tensors[name] = torch.from_numpy(values.reshape(entry['shape']).copy())
    return data[:8 + size], data[8 + size:], metadata, tensors


def splitmix(seed, index):
    mask = (1 << 64) - 1
    x = (seed + (index + 1) * 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def self_test_input(seed, width, height, mean, std):
    picture = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                block = splitmix(seed, ((y // 16) * 4096 + x // 16) * 3 + c) >> 56
                pixel = splitmix(seed, 2**40 + (y * 4096 + x) * 3 + c) >> 56
                picture[y, x, c] = (3 * block + pixel) // 4
    scaled = (picture / np.float32(255) - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(scaled.transpose(2, 0, 1)[None].copy())


def logits_of(model, metadata, seed):
    width, height = json.loads(metadata['cored.input-size'])
    x = self_test_input(seed, width, height, json.loads(metadata['cored.mean']),
                        json.loads(metadata['cored.std']))
    with torch.no_grad():
        return networks.logits_of(model, model.features(x))[0].numpy()


def check_engine_file(probe, network, folder):
    path = folder / f'{network}.safetensors'
    subprocess.run([probe, 'make', network, '11', path], check=True)
    head, data, metadata, tensors = read(path)
    assert len(head) % 64 == 0
    assert hashlib.sha256(data).hexdigest() == metadata['cored.sha256']
    blank = head.replace(metadata[HEADER_HASH].encode(), ZEROS.encode())
    assert hashlib.sha256(blank).hexdigest() == metadata[HEADER_HASH]
    model = networks.NETWORKS[network](2)
    missing, extra = model.load_state_dict(tensors, strict=False)
    assert not extra and all(name.endswith('num_batches_tracked') for name in missing), missing
    self_test = json.loads(metadata['cored.canary'])
    expected = logits_of(model.eval(), metadata, self_test['seed'])
    error = np.abs(np.float32(self_test['logits']) - expected).max() / np.abs(expected).max()
    print(f'{network}: self-test against PyTorch: max relative error {error:.2e}')
    assert error <= TOLERANCE
    return path, tensors


def check_safetensors_module(path, tensors):
    try:
        from safetensors.torch import load_file
    except ImportError as missing:
        print('not compared with the module safetensors:', missing)
        return
    loaded = load_file(path)
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) for name in loaded)
    print('safetensors.torch.load_file gives the same tensors')


def write(path, metadata, tensors):
    """A cored model as the format's text says, white space and order as Python likes them."""
    dtypes = {torch.float32: 'F32', torch.float16: 'F16', torch.bfloat16: 'BF16',
              torch.float64: 'F64', torch.int64: 'I64'}
    header, data = {}, b''
    for name, tensor in tensors.items():
        flat = tensor.contiguous().flatten()
        raw = (flat.view(torch.int16) if tensor.dtype == torch.bfloat16 else flat).numpy().tobytes()
        header[name] = {'data_offsets': [len(data), len(data) + len(raw)],
                        'shape': list(tensor.shape), 'dtype': dtypes[tensor.dtype]}
        data += raw
    metadata = dict(metadata)
    metadata['cored.sha256'] = hashlib.sha256(data).hexdigest()
    metadata[HEADER_HASH] = ZEROS
    header['__metadata__'] = metadata
    text = json.dumps(header).encode()
    head = len(text).to_bytes(8, 'little') + text
    digest = hashlib.sha256(head).hexdigest()
    at = head.index(f'"{HEADER_HASH}": "'.encode()) + len(HEADER_HASH) + 5
    path.write_bytes(head[:at] + digest.encode() + head[at + 64:] + data)


def metadata_of(model, network, size, shift=0.0):
    metadata = {
        'format': 'pt', 'cored.format': '1', 'cored.network': network, 'cored.classes': '2',
        'cored.labels': '["fake", "real"]', 'cored.fake-class': '0', 'cored.real-class': '1',
        'cored.input-size': f'[{size}, {size}]', 'cored.mean': '[0.485, 0.456, 0.406]',
        'cored.std': '[0.229, 0.224, 0.225]', 'cored.threshold': '5e-1', 'cored.temperature': '1.5',
        'cored.generation': '3', 'cored.tasks': '[{"name": "DeepFakes", "auc": 0.97}]',
    }
    logits = logits_of(model, metadata, 99)
    metadata['cored.canary'] = json.dumps(
        {'seed': 99, 'tolerance': 1e-4, 'logits': [float(z) + shift for z in logits]})
    return metadata


def check_own_files(probe, network, size, folder):
    """All float types; the values the engine holds are those PyTorch makes of them."""
    path = folder / 'own.safetensors'
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        model = networks.make(network, 5)
        stored = {name: value.to(dtype) if value.is_floating_point() else value
                  for name, value in model.state_dict().items()}
        model.load_state_dict({name: value.float() for name, value in stored.items()})
        write(path, metadata_of(model, network, size), stored)
        values = subprocess.run([probe, 'load', path], check=True, capture_output=True).stdout
        expected = b''.join(v.numpy().tobytes() for v in networks.tensors_of(model).values())
        assert sorted(values) == sorted(expected)  # the order is the network's
        subprocess.run([probe, 'resave', path, folder / 'resaved'], check=True)
        tensors = read(folder / 'resaved')[3]
        assert all(torch.equal(v, tensors[k]) for k, v in networks.tensors_of(model).items())
        print(f'{network}: {dtype} from Python loads, every value as in PyTorch')
    write(path, metadata_of(model, network, size, shift=0.05), stored)
    refused = subprocess.run([probe, 'load', path], capture_output=True, text=True)
    assert refused.returncode == 1 and refused.stderr.startswith('SELF_TEST'), refused.stderr


def main():
    probe = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for network in ('meso4', 'cored-compact'):
            path, tensors = check_engine_file(probe, network, folder)
            check_safetensors_module(path, tensors)
        check_own_files(probe, 'cored-compact', 96, folder)


if __name__ == '__main__':
    main()
