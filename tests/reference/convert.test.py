# SPDX-License-Identifier: MIT
"""Files that PyTorch writes, imported; models, exported and read by PyTorch.

    convert.test.py CONVERT RUN_MODEL CASE

Every import is compared tensor by tensor, bit by bit, with what PyTorch saved. The model file is
read with the safetensors package where there is one, else by the dozen lines below. Exit code 77:
PyTorch is absent."""
import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import torch
    import networks
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)

CONVERT, RUN_MODEL = sys.argv[1:3]


def run(*command, fails=False):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if (done.returncode != 0) != fails:
        sys.exit(f'{command}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout + done.stderr


def read_safetensors(path):
    try:
        from safetensors.numpy import load_file
        return load_file(path)
    except ImportError:
        data = path.read_bytes()
        size = int.from_bytes(data[:8], 'little')
        header = json.loads(data[8:8 + size])
        header.pop('__metadata__')
        body = data[8 + size:]
        return {name: np.frombuffer(body[slice(*t['data_offsets'])], '<f4').reshape(t['shape'])
                for name, t in header.items()}


def saved(model):
    return {k: v.clone() for k, v in model.state_dict().items() if 'num_batches' not in k}


def check_tensors(found, expected):
    if set(found) != set(expected):
        sys.exit(f'names differ: {sorted(set(found) ^ set(expected))[:10]}')
    for name, tensor in expected.items():
        if not np.array_equal(found[name], tensor.float().numpy()):
            sys.exit(f'{name} differs')


def check_import(folder, path, expected, *options, says=()):
    out = Path(folder, 'out.safetensors')
    text = run(CONVERT, 'import', '--overwrite', path, '-o', out, *options)
    for part in says:
        if part not in text:
            sys.exit(f'expected {part!r} in\n{text}')
    check_tensors(read_safetensors(out), expected)
    return out


def check_export(folder, model_file, expected):
    """export, torch.load, and the same tensors once more; both layouts."""
    pth = Path(folder, 'exported.pth')
    run(CONVERT, 'export', '--overwrite', model_file, '-o', pth)
    state = torch.load(pth)
    assert isinstance(state, collections.OrderedDict)
    check_tensors({k: v.numpy() for k, v in state.items()}, expected)
    again = check_import(folder, pth, expected)
    run(CONVERT, 'export', '--overwrite', again, '-o', pth, '--layout=checkpoint')
    checkpoint = torch.load(pth)
    assert set(checkpoint) == {'epoch', 'best_epoch', 'state_dict', 'best_acc', 'optimizer'}
    check_tensors({k: v.numpy() for k, v in checkpoint['state_dict'].items()}, expected)
    check_import(folder, pth, expected, says=["took the dictionary under 'state_dict'"])
    return state


def check_logits(folder, model_file, model, size):
    """The engine and PyTorch with the weights that came back from the export, on one picture."""
    pixels = np.random.default_rng(1).integers(0, 256, (size, size, 3), dtype=np.uint8)
    raw = Path(folder, 'raw')
    raw.write_bytes(pixels.tobytes())
    found = np.array([float(x) for x in run(RUN_MODEL, model_file, size, size, raw).split()[1:]])
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        expected = networks.logits_of(model, model.features((x - 0.5) / 0.5)).numpy()[0]
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f'logits: engine {found}, PyTorch {expected}, relative difference {error:.1e}')
    if not error <= 1e-4:
        sys.exit('logits differ')


def reference_checkpoint(model, prefix=''):
    """What the reference implementation saves after an epoch, optimizer state included."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.1)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    keep = saved(model)
    optimizer.step()
    model.load_state_dict(keep, strict=False)
    state = collections.OrderedDict((prefix + k, v) for k, v in model.state_dict().items())
    return {'epoch': 12, 'best_epoch': 10, 'state_dict': state, 'best_acc': np.float64(0.93),
            'optimizer': optimizer.state_dict()}


def case_xception(folder):
    model = networks.make('xception', 7)
    path = Path(folder, 'model_best_accuracy.pth.tar')
    torch.save(reference_checkpoint(model), path)
    out = check_import(folder, path, saved(model),
                       says=['guessed the network xception', "left out 'optimizer': a dict",
                             "left out 'epoch': 12"])
    state = check_export(folder, out, saved(model))
    model.load_state_dict(state)
    check_logits(folder, out, model, 128)


def case_variants(folder):
    """Prefixes, aliases, matrices for 1x1 convolutions, the legacy stream, other classes."""
    model = networks.make('xception', 7, 5)
    path, expected = Path(folder, 'x.pth'), saved(model)
    state = {}
    for name, value in model.state_dict().items():
        name = name.replace('last_linear', 'last_linear.1')
        value = value[:, :, 0, 0] if 'pointwise' in name else value
        state['module.model.' + name] = value
    torch.save({'model': state, 'epoch': 3}, path, _use_new_zipfile_serialization=False)
    text = run(CONVERT, 'import', path, '-o', Path(folder, 'no'), fails=True)
    assert 'SETTINGS' in text and '--labels' in text, text
    check_import(folder, path, expected, '--labels', 'a,b,fake,d,real', '-n', 'xception',
                 says=["took PyTorch's wrappers", "stripped the prefix 'model.'",
                       '1x1 convolutions were stored as matrices',
                       "took 'model.last_linear.1' as the classifier 'last_linear'"])
    state = {k.replace('last_linear', 'fc'): v for k, v in model.state_dict().items()}
    state['extra.weight'] = torch.zeros(3)
    torch.save(state, path)
    text = run(CONVERT, 'import', path, '-o', Path(folder, 'no'), '--labels', 'a,b,fake,d,real',
               fails=True)
    assert 'unknown: extra.weight (3)' in text, text
    check_import(folder, path, expected, '--labels', 'a,b,fake,d,real', '--drop', 'extra.*')


def case_dtypes(folder):
    """Half, bfloat16 and double precision, views, shared and transposed storages."""
    model = networks.make('cored-compact', 7)
    path = Path(folder, 'x.pth')
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        state = {k: v.to(dtype) if v.is_floating_point() else v
                 for k, v in model.state_dict().items()}
        torch.save(state, path)
        check_import(folder, path, {k: v for k, v in state.items() if 'num_batches' not in k})
    strange, base = {}, torch.empty(0)
    for k, v in saved(model).items():
        if v.dim() == 4:
            strange[k] = v.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
        else:
            base = torch.cat([torch.zeros(3), v.flatten()])
            strange[k] = base[3:].view(v.shape)
    assert not all(v.is_contiguous() for v in strange.values())
    for legacy in (False, True):
        torch.save(strange, path, _use_new_zipfile_serialization=not legacy)
        check_import(folder, path, saved(model))
    parameters = {k: torch.nn.Parameter(v) for k, v in saved(model).items()}
    torch.save(parameters, path)
    check_import(folder, path, saved(model))


def case_all(folder):
    """Every other network of the registry: to a state dictionary and back."""
    for name in sorted(set(networks.NETWORKS) - {'xception'}):
        model = networks.make(name, 7)
        path = Path(folder, 'x.pth')
        torch.save(model.state_dict(), path)
        out = check_import(folder, path, saved(model), says=[f'guessed the network {name}'])
        check_export(folder, out, saved(model))
        print(name, 'round trip')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as where:
        globals()['case_' + sys.argv[3]](where)
