# SPDX-License-Identifier: MIT
"""The command line of cored-convert: exit codes, help, lists of wrong parameters, escaped names,
files that must not be written, settings that end in the model.

    cli.test.py CONVERT
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pthfile
from pthfile import integer, state_dict, storage, tensor

CONVERT = sys.argv[1]

MESO4 = {'conv1': (8, 3, 3, 3), 'conv2': (8, 8, 5, 5), 'conv3': (16, 8, 5, 5),
         'conv4': (16, 16, 5, 5), 'fc1': (16, 1024), 'fc2': (1, 16)}


def parameters():
    """Names, shapes and values of a Meso-4 whose output depends on its input."""
    shapes = {}
    for layer, shape in MESO4.items():
        shapes[layer + '.weight'], shapes[layer + '.bias'] = shape, shape[:1]
    for i, n in enumerate((8, 8, 16, 16), 1):
        for part in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'bn{i}.{part}'] = (n,)
    values, state = {}, 12345
    for name, shape in shapes.items():
        count, raw = 1, []
        for n in shape:
            count *= n
        for _ in range(count):
            state = (1103515245 * state + 12345) % 2**31
            raw.append((state / 2**31 - 0.4) * (count / shape[0] + 1) ** -0.5)
        values[name] = (shape, [1.0] * count if 'running_var' in name else raw)
    return values


def write_pth(path, values, kinds=None):
    """values: name -> (shape, numbers); kinds: name -> (storage class, struct letter)."""
    entries, records = [], []
    for i, (name, (shape, numbers)) in enumerate(values.items()):
        kind, letter = (kinds or {}).get(name, ('FloatStorage', 'f'))
        strides = [1]
        for n in reversed(shape[1:]):
            strides.insert(0, strides[0] * n)
        where = storage(str(i), len(numbers), f'ctorch\n{kind}\n'.encode())
        entries.append((name, tensor(where, 0, shape, strides[:len(shape)])))
        convert = float if letter == 'f' else int
        records.append((str(i), struct.pack(f'<{len(numbers)}{letter}', *map(convert, numbers))))
    path.write_bytes(pthfile.pth(state_dict(entries), records))


def run(*arguments, status=0):
    done = subprocess.run([CONVERT, *map(str, arguments)], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == status, (arguments, done)
    return done.stdout, done.stderr


def test_usage(folder):
    for arguments in ([], ['frobnicate'], ['import'], ['import', 'a'], ['import', 'a', 'b', '-o', 'c'],
                      ['import', '--nonsense', 'a', '-o', 'b'], ['export', 'a'], ['inspect'],
                      ['import', 'a', '-o', 'b', '--threshold=1.5'],
                      ['import', 'a', '-o', 'b', '--threshold=nan'],
                      ['import', 'a', '-o', 'b', '--mean=1,2'],
                      ['import', 'a', '-o', 'b', '--std=0'],
                      ['import', 'a', '-o', 'b', '--input-size=0'],
                      ['import', 'a', '-o', 'b', '--input-size=128x'],
                      ['import', 'a', '-o', 'b', '--temperature=0'],
                      ['import', 'a', '-o', 'b', '--max-bytes=1.5'],
                      ['export', 'a', '-o', 'b', '--layout=x']):
        out, err = run(*arguments, status=2)
        assert not out and 'cored-convert' in err, (arguments, out, err)
    for option in ('--json', '--key=a', '--ignore-crc', '--max-bytes=9'):
        for arguments in (['--plan', option], [option, '--plan']):
            out, err = run('inspect', *arguments, 'a', status=2)
            assert not out and f"--plan cannot be combined with '{option.split('=')[0]}'" in err, (arguments, err)
    for command in ('import', 'export', 'inspect', None):
        out, err = run(*([command] if command else []), '--help')
        assert out.startswith('Usage: cored-convert') and 'Exit status' in out and not err
    for command in ('import', 'export', 'inspect', 'keygen', 'sign', 'verify', None):
        assert run(*([command] if command else []), '--version')[0].startswith('cored-convert ')


def test_files(folder):
    out = folder / 'out.safetensors'
    fifo = folder / 'fifo'
    os.mkfifo(fifo)
    for path, code in ((folder / 'absent', 'OPEN'), (folder, 'NOT_REGULAR'),
                       (fifo, 'NOT_REGULAR'), (Path('/dev/zero'), 'NOT_REGULAR')):
        assert f': {code}: ' in run('import', path, '-o', out, status=1)[1]
        description = json.loads(run('inspect', '--json', path, status=1)[0])
        assert description['error']['code'] == code, description
    sparse = folder / 'sparse'
    with open(sparse, 'wb') as file:
        file.truncate(2**40)
    assert ': FILE_TOO_LARGE: ' in run('import', sparse, '-o', out, status=1)[1]
    pth = folder / 'good.pth'
    write_pth(pth, parameters())
    assert ': FILE_TOO_LARGE: ' in run('import', pth, '-o', out, '--max-bytes=1000', status=1)[1]
    text = run('import', pth, '-o', folder / 'no/such/folder', status=1)[1]
    assert 'cored-convert: ' in text and not out.exists()
    out.write_text('old')
    run('import', '--overwrite', folder / 'absent', '-o', out, status=1)
    assert out.read_text() == 'old'
    assert sorted(p.name for p in folder.iterdir()) == ['fifo', 'good.pth', 'out.safetensors',
                                                        'sparse']


def test_model(folder):
    """Settings, the round trip, and that inspect agrees."""
    pth, out, back = folder / 'm.pth.tar', folder / 'm.safetensors', folder / 'back.pth'
    write_pth(pth, parameters())
    text = run('import', pth, '-o', out, '-l', 'real,df', '--fake=df', '--mean=0.5',
               '--std=0.1,0.2,0.3', '--threshold=0.25', '--temperature=2')[0]
    assert 'meso4, 2 classes, 28 parameters, from PyTorch zip' in text, text
    found = json.loads(run('inspect', '--json', out)[0])
    model = found['model']
    assert model['network'] == 'meso4' and model['labels'] == ['real', 'df']
    assert (model['fake_class'], model['real_class']) == (1, 0)
    assert model['threshold'] == 0.25 and model['temperature'] == 2
    assert [round(x, 6) for x in model['mean'] + model['std']] == [0.5] * 3 + [0.1, 0.2, 0.3]
    assert found['metadata']['source'] == 'm.pth.tar'
    assert {t['name']: tuple(t['shape']) for t in found['tensors']} == {
        name: shape for name, (shape, _) in parameters().items()}
    run('export', out, '-o', back)
    first = {t['name']: t for t in json.loads(run('inspect', '--json', back)[0])['tensors']}
    assert first == {t['name']: t for t in found['tensors']}
    again = folder / 'again.safetensors'
    run('import', '-q', back, '-o', again)
    assert json.loads(run('inspect', '--json', again)[0])['weights_sha256'] == found[
        'weights_sha256'] == found['data_sha256']  # the name that it had
    assert 'already' in run('import', out, '-o', folder / 'no', status=1)[1]
    assert 'MAGIC' in run('export', pth, '-o', folder / 'no', status=1)[1]
    table = run('inspect', out)[0]
    assert "1 'df' (shown as fake)" in table and 'conv1.weight' in table and '8x3x3x3' in table


def test_settings(folder):
    pth, out = folder / 'm.pth', folder / 'out.safetensors'
    write_pth(pth, parameters())
    for options in (['--labels=fake'], ['--labels=a,b,c'], ['--labels=fake,fake'],
                    ['--labels=fake,'], ['--labels=a,b'], ['--fake=x'], ['--labels', 'real,x' * 40]):
        assert ': SETTINGS: ' in run('import', pth, '-o', out, *options, status=1)[1], options
    assert "there is no network 'vgg'" in run('import', pth, '-o', out, '-n', 'vgg', status=2)[1]
    text = run('import', pth, '-o', out, '--input-size=64', status=1)[1]
    assert 'INPUT_SIZE' in text, text
    text = run('import', pth, '-o', out, '-n', 'xception', status=1)[1]
    assert 'missing: block1.rep.0.conv1.weight (64x1x3x3)' in text and 'unknown: fc2.bias' in text
    assert not out.exists()


def test_parameters(folder):
    """All that is wrong is listed, in one run."""
    pth, out = folder / 'm.pth', folder / 'out.safetensors'
    values = parameters()
    shape, numbers = values['fc1.weight']
    values['fc1.weight'] = (shape[::-1], numbers)
    del values['bn2.bias']
    values['Conv1.bias'] = values.pop('conv1.bias')
    values['bad\x1b[2J\nname'] = ((1,), [0.0])
    write_pth(pth, values, {'bn1.weight': ('LongStorage', 'q')})
    text = run('import', pth, '-o', out, status=1)[1]
    for line in ('misshapen: fc1.weight: expected 16x1024, found 1024x16',
                 'missing: bn2.bias (8)', 'missing: conv1.bias (8)', 'unknown: Conv1.bias (8)',
                 'unknown: bad\\x1b[2J\\x0aname (1)', ': PARAMETERS: 6 parameters do not fit',
                 'wrong type: bn1.weight: expected floating-point numbers, found I64'):
        assert line in text, (line, text)
    assert '\x1b' not in text and '\x1b' not in run('inspect', pth)[0] and not out.exists()
    values = parameters()
    values['bn1.running_var'] = ((8,), [1.0] * 7 + [float('nan')])
    write_pth(pth, values)
    assert 'PARAMETER_VALUE' in run('import', pth, '-o', out, status=1)[1]
    write_pth(pth, {name: (shape, [0.0] * len(v)) for name, (shape, v) in parameters().items()})
    assert 'CONSTANT_OUTPUT' in run('import', pth, '-o', out, status=1)[1]


def test_names(folder):
    pth, out = folder / 'm.pth', folder / 'out.safetensors'
    for prefix in ('module.', 'net.', 'module.model.', 'backbone.'):
        write_pth(pth, {prefix + name: value for name, value in parameters().items()})
        said = run('import', '--overwrite', pth, '-o', out)[0]
        assert 'stripped the prefix' in said or "took PyTorch's wrappers" in said, said
    values = parameters()
    values['bn1.num_batches_tracked'] = ((), [3])
    values['extra.weight'] = ((1,), [0.0])
    write_pth(pth, values, {'bn1.num_batches_tracked': ('LongStorage', 'q')})
    run('import', '--overwrite', pth, '-o', out, status=1)
    run('import', '--overwrite', pth, '-o', out, '--drop=extra.*', '--drop=none', status=1)
    text = run('import', '--overwrite', pth, '-o', out, '--drop=extra.*')[0]
    assert 'left out 1 counters' in text and "left out 'extra.*': 1 tensors" in text, text


def test_ignore_crc(folder):
    pth = folder / 'm.pth'
    entries = pthfile.entries(crc=1)
    pth.write_bytes(pthfile.archive(entries))
    run('inspect', pth, status=1)
    run('inspect', '--ignore-crc', pth)


def test_key(folder):
    pth = folder / 'm.pth'
    inner = state_dict([('w', tensor())])
    pth.write_bytes(pthfile.pth(state_dict([('generator', inner), ('other', inner),
                                          ('epoch', integer(1))])))
    assert 'STATE_DICT_AMBIGUOUS' in run('inspect', pth, status=1)[0]
    assert "took the dictionary under 'generator'" in run('inspect', '--key=generator', pth)[0]
    assert 'NOT_STATE_DICT' in run('inspect', '--key=epoch', pth, status=1)[0]


def test_uri_for_a_path(folder):
    """Where a file is read a file:// URI is taken; where one is written a path is asked for."""
    pth, out = folder / 'm.pth', folder / 'm.safetensors'
    write_pth(pth, parameters())
    text = ''.join(run('import', pth, '-o', f'file://{out}', status=1))
    assert "leave out 'file://'" in text and not out.exists(), text
    for arguments in (['inspect', f'file://{pth}'], ['import', f'file://{pth}', '-o', out],
                      ['inspect', f'file://{out}']):
        status = subprocess.run([CONVERT, *map(str, arguments)], capture_output=True, text=True,
                                timeout=60)
        text = status.stdout + status.stderr
        assert status.returncode == 0 or "leave out 'file://'" in text, (arguments, text)


if __name__ == '__main__':
    for name, test in list(globals().items()):
        if name.startswith('test_'):
            with tempfile.TemporaryDirectory() as where:
                test(Path(where))
            print(name, 'ok')
