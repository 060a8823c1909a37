# SPDX-License-Identifier: MIT
"""ONNX files out and in: what is written is read back to the same bits, what lies beside it, what
may be replaced, what Ctrl-C leaves, and whose weights are found by their names or, folded, by structure.

    onnx.test.py CONVERT MAKE_MODEL [TRAIN]
"""
import configparser
import json
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from onnxfile import INT64, graph, integer, ints, model, node, number, tensor, text

CONVERT, MAKE_MODEL = sys.argv[1:3]
TRAIN = sys.argv[3] if len(sys.argv) > 3 else None  # built without: not asked
# tests/reference exports the largest, too, whose layers these have as well.
NETWORKS = ['efficientnet-b0', 'meso4', 'mesoinception4', 'cored-compact']
BESIDE = '.modelinfo', '.labels.txt'
OF_THE_FILE = {'cored.sha256', 'cored.header-sha256', 'cored.canary', 'cored.key-id',
               'cored.signature'}
OF_THE_IMPORT = {'source', 'source_format', 'source_sha256'}


def run(*arguments, status=0):
    done = subprocess.run([CONVERT, *map(str, arguments)], capture_output=True, text=True,
                          timeout=100)
    assert done.returncode == status, (arguments, done)
    return done.stdout + done.stderr


def make(path, network='meso4', seed=3, generation=4):
    subprocess.run([MAKE_MODEL, network, str(seed), path, str(generation)], check=True)


def safetensors(path):
    """Metadata and tensors of a model file, as they are in it."""
    data = Path(path).read_bytes()
    size = struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:8 + size])
    metadata = header.pop('__metadata__')
    return metadata, {name: (t['dtype'], t['shape'], data[8 + size:][slice(*t['data_offsets'])])
                      for name, t in header.items()}


def stated(metadata):
    return {k: v for k, v in metadata.items() if k not in OF_THE_FILE | OF_THE_IMPORT}


def settings(folder):
    """A model whose settings are none that an import would assume."""
    own, pth, out = folder / 'own.safetensors', folder / 'own.pth', folder / 'set.safetensors'
    make(own)
    run('export', own, '-o', pth)
    run('import', pth, '-o', out, '-n', 'meso4', '--labels=wahr,falsch', '--fake=falsch',
        '--real=wahr', '--mean=0.1,0.2,0.3', '--std=0.5', '--threshold=0.25', '--temperature=1.5')
    return out


def test_round_trip(folder):
    models = [settings(folder)]
    for network in NETWORKS:
        models.append(folder / (network + '.safetensors'))
        make(models[-1], network)
    for path in models:
        onnx, back = path.with_suffix('.onnx'), path.with_suffix('.back.safetensors')
        assert 'onnx: ' in run('export', path, '-o', onnx)
        said = run('import', onnx, '-o', back)
        assert 'assumed' not in said and 'warning' not in said and 'from ONNX' in said, said
        before, after = safetensors(path), safetensors(back)
        assert before[1] == after[1], f'{path}: other weights'
        assert stated(before[0]) == stated(after[0]), (before[0], after[0])
        for name in path, onnx, back:
            name.unlink()


def test_beside(folder):
    path, onnx = settings(folder), folder / 'm.onnx'
    run('export', path, '-o', onnx)
    assert Path(f'{onnx}.labels.txt').read_text() == 'wahr\nfalsch\n'
    info = configparser.ConfigParser()
    info.read_string(Path(f'{onnx}.modelinfo').read_text())
    assert info.sections() == ['modelinfo', 'input', 'probabilities', 'logits']
    assert info['modelinfo']['version'] == '1.0'
    assert info['modelinfo']['group-id'] == info['probabilities']['id']
    assert info['input']['dims'] == '-1,3,256,256' and info['input']['dir'] == 'input'
    ranges = [tuple(map(float, r.split(','))) for r in info['input']['ranges'].split(';')]
    expected = [(-m / 0.5, (1 - m) / 0.5) for m in (0.1, 0.2, 0.3)]
    assert all(abs(x - y) < 1e-6 for a, b in zip(ranges, expected) for x, y in zip(a, b)), ranges
    for name in 'probabilities', 'logits':
        assert info[name]['dims'] == '-1,2' and info[name]['dir'] == 'output'
    shown = json.loads(run('inspect', '--json', onnx))
    assert shown['format'] == 'ONNX' and shown['metadata']['cored.labels'] == '["wahr","falsch"]'
    assert not OF_THE_FILE & set(shown['metadata'])


def test_options(folder):
    path = folder / 'm.safetensors'
    make(path)
    run('export', path, '--onnx', '-o', folder / 'named-otherwise')
    assert (folder / 'named-otherwise.labels.txt').exists()
    run('export', path, '-o', folder / 'LOUD.ONNX', '--no-logits')
    info = (folder / 'LOUD.ONNX.modelinfo').read_text()
    assert '[probabilities]' in info and '[logits]' not in info
    run('import', folder / 'LOUD.ONNX', '-o', folder / 'back.safetensors')
    assert '--layout' in run('export', path, '-o', folder / 'x.onnx', '--layout=checkpoint', status=2)
    assert '--no-logits' in run('export', path, '-o', folder / 'x.pth', '--no-logits', status=2)
    assert not list(folder.glob('x.*'))
    # What the user says counts more than what the file says.
    run('import', folder / 'LOUD.ONNX', '-o', folder / 'other.safetensors', '--threshold=0.75',
        '--labels=real,fake')
    metadata = safetensors(folder / 'other.safetensors')[0]
    assert metadata['cored.threshold'] == '0.75' and metadata['cored.labels'] == '["real","fake"]'
    assert metadata['cored.fake-class'] == '1', metadata


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_overwrite(folder):
    path, onnx = folder / 'm.safetensors', folder / 'out' / 'm.onnx'
    onnx.parent.mkdir()
    make(path)
    for suffix in ('', *BESIDE):
        taken = Path(f'{onnx}{suffix}')
        taken.write_text('mine')
        said = run('export', path, '-o', onnx, status=1)
        assert 'EXISTS' in said and '--overwrite' in said, said
        assert contents(onnx.parent) == {taken.name: b'mine'}
        taken.unlink()
    run('export', path, '-o', onnx)
    first = contents(onnx.parent)
    make(path, seed=5)
    run('export', path, '-o', onnx, '--overwrite')
    second = contents(onnx.parent)
    assert set(first) == set(second) and first['m.onnx'] != second['m.onnx']
    for suffix in BESIDE:  # one that cannot be written: none is
        taken = Path(f'{onnx}{suffix}')
        taken.unlink()
        taken.mkdir()
        make(path, seed=6)
        before = contents(onnx.parent)
        assert 'NOT_REGULAR' in run('export', path, '-o', onnx, '--overwrite', status=1)
        assert contents(onnx.parent) == before
        taken.rmdir()
        run('export', path, '-o', onnx, '--overwrite')


def test_interrupted(folder):
    path, out = folder / 'm.safetensors', folder / 'out'
    make(path, 'cored-compact')
    started = time.monotonic()
    run('export', path, '-o', folder / 'whole.onnx')
    took = time.monotonic() - started
    whole = (folder / 'whole.onnx').read_bytes()
    names = {'m.onnx', 'm.onnx.modelinfo', 'm.onnx.labels.txt'}
    for step in range(8):
        out.mkdir()
        child = subprocess.Popen([CONVERT, 'export', path, '-o', out / 'm.onnx'],
                                 stdout=subprocess.DEVNULL)
        time.sleep(took * step / 6)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) in (0, -signal.SIGINT)
        left = contents(out)
        assert not left or set(left) == names and left['m.onnx'] == whole, (step, set(left))
        for name in left:
            (out / name).unlink()
        out.rmdir()


def parameters(path):
    return safetensors(path)[1]


def foreign(weights, names=lambda n: n, nodes=()):
    """Somebody else's file with these weights."""
    tensors = [tensor(names(n), shape, data=data) for n, (_, shape, data) in weights.items()]
    return model(graph(nodes=nodes or [node('Conv', ('input', names('conv1.weight')))],
                       tensors=tensors))


def test_foreign(folder):
    own, path, out = folder / 'own.safetensors', folder / 'f.onnx', folder / 'out.safetensors'
    make(own)
    weights = parameters(own)
    path.write_bytes(foreign(weights, lambda n: 'module.' + n))
    said = run('import', path, '-o', out)
    assert 'assumed' in said and parameters(out) == weights, said
    # The network's input tells the size.
    assert "network's input says 8x8, not 256x256" in said, said
    # Metadata of others say nothing here.
    path.write_bytes(foreign(weights) + text(14, text(1, 'probabilities') + text(2, 'x')))
    assert 'assumed' in run('import', path, '-o', out, '--overwrite')
    # Folded: numbers for names.
    path.write_bytes(foreign(weights, lambda n: 'onnx::Conv_61' if n == 'conv1.weight' else n))
    said = run('import', path, '-o', folder / 'no', status=1)
    assert 'ONNX_FOLDED' in said and 'do_constant_folding=False' in said, said
    assert 'onnx::Conv_61' in run('inspect', path)
    # A file that says to be another network than its weights are.
    lies = foreign(weights) + b''.join(
        text(14, text(1, k) + text(2, v.replace('meso4', 'xception')))
        for k, v in safetensors(own)[0].items())
    path.write_bytes(lies)
    run('import', path, '-o', folder / 'no', status=1)
    lies = foreign(weights) + text(14, text(1, 'cored.format') + text(2, '1'))
    path.write_bytes(lies)
    assert 'METADATA_MISSING' in run('import', path, '-o', folder / 'no', status=1)
    assert not (folder / 'no').exists()


def folded_compact(weights, change=lambda name, node: node, relu='Relu', padded=()):
    """cored-compact as PyTorch exports it: the batch norms are in the convolutions, and these have
    lost their names. `change` may make another layer of one; `padded` are amounts of a Pad before
    'stage2.0.depthwise', which then pads nothing itself. And what an import has to find."""
    nodes, tensors, expected = [], [], {}
    value, count = 'input', 0

    def add(op, inputs, attributes=()):
        nonlocal value, count
        count += 1
        nodes.append((op, [value] + inputs, [str(9000 + count)], attributes))
        value = nodes[-1][2][0]

    def conv(name, bn=None, stride=1):
        _, shape, data = weights[name + '.weight']
        inputs = [f'onnx::Conv_{count}'] if bn else [name + '.weight']
        expected[name + '.weight'] = data
        tensors.append(tensor(inputs[0], shape, data=data))
        if bn:
            bias = struct.pack(f'<{shape[0]}f', *(i / 8 for i in range(shape[0])))
            inputs.append(inputs[0] + 'b')
            tensors.append(tensor(inputs[1], shape[:1], data=bias))
            expected[bn + '.bias'] = bias
            expected[bn + '.running_mean'] = bytes(4 * shape[0])
            expected[bn + '.weight'] = struct.pack(f'<{shape[0]}f', *[1] * shape[0])
        pad = shape[2] // 2
        if padded and name == 'stage2.0.depthwise':
            tensors.append(tensor('amounts', (8,), INT64, struct.pack('<8q', *padded)))
            add('Pad', ['amounts'])
            pad = 0
        add(*change(name, ('Conv', inputs, (
            integer('group', shape[0] if '.depthwise' in name else 1), ints('strides', stride, stride),
            ints('pads', pad, pad, pad, pad), ints('kernel_shape', shape[2], shape[3])))))

    conv('stem', 'stem_bn', 2)
    add(relu, [])
    for stage, (stride, blocks) in enumerate(((1, 1), (2, 2), (2, 3), (2, 3)), 1):
        for place in range(blocks):
            before = value
            conv(f'stage{stage}.{place}.depthwise', None, stride if place == 0 else 1)
            conv(f'stage{stage}.{place}.pointwise', f'stage{stage}.{place}.bn')
            if place > 0:
                add('Add', [before])
            add(relu, [])
    conv('head', 'head_bn')
    add(relu, [])
    add('GlobalAveragePool', [])
    add('Flatten', [])
    for name in ('classifier.weight', 'classifier.bias'):
        tensors.append(tensor('net.' + name, weights[name][1], data=weights[name][2]))
        expected[name] = weights[name][2]
    add('Gemm', ['net.classifier.weight', 'net.classifier.bias'], (integer('transB', 1),))
    return model(graph(nodes=[node(*n) for n in nodes], tensors=tensors)), expected


def test_folded(folder):
    own, path, out = folder / 'own.safetensors', folder / 'f.onnx', folder / 'out.safetensors'
    make(own, 'cored-compact')
    weights = parameters(own)
    data, expected = folded_compact(weights)
    path.write_bytes(data)
    said = run('import', path, '-o', out)
    assert 'told by its structure: cored-compact' in said and '11 batch norms' in said, said
    found = parameters(out)
    assert set(found) == set(weights)
    for name, values in expected.items():
        assert found[name][2] == values, name
    for name in found:  # 1 with the epsilon that is added to it
        if name.endswith('.running_var'):
            assert all(abs(v + 1e-5 - 1) < 1e-7 for v in struct.unpack(f'<{found[name][1][0]}f', found[name][2]))
    assert safetensors(out)[0]['source_batch_norms'] == 'folded'
    if TRAIN:  # where there is nothing to learn from the run ends after that
        for label in ('fake', 'real'):
            (folder / 'T' / 'train' / label).mkdir(parents=True)
        for model_file in (out, path):
            done = subprocess.run([TRAIN, '-d', folder, '-t', 'T', '-w', model_file, '--output', folder / 'run'],
                                  capture_output=True, text=True)
            assert done.returncode == 1 and 'folded batch norms, which hold no statistics' in done.stderr, done
        done = subprocess.run([TRAIN, '-d', folder, '-t', 'T', '-w', own, '--output', folder / 'run'],
                              capture_output=True, text=True)
        assert done.returncode == 1 and 'folded' not in done.stderr, done
    assert 'onnx::Conv_' in run('inspect', path)
    assert 'not those of xception' in run('import', path, '-n', 'xception', '-o', folder / 'no', status=1)

    def other_stride(name, layer):
        op, inputs, attributes = layer
        return (op, inputs, attributes[:1] + (ints('strides', 2, 2),) + attributes[2:]) \
            if name == 'stage3.1.depthwise' else layer

    def other_op(name, layer):
        return ('ConvTranspose',) + layer[1:] if name == 'stage2.0.pointwise' else layer

    def no_bias(name, layer):
        return (layer[0], layer[1][:1]) + layer[2:] if name == 'stage4.2.pointwise' else layer

    for change in (other_stride, other_op, no_bias):
        path.write_bytes(folded_compact(weights, change)[0])
        said = run('import', path, '-o', folder / 'no', status=1)
        assert 'ONNX_FOLDED' in said and 'do_constant_folding=False' in said, said
        assert ('stage4.2.bn.bias' in said) == (change is no_bias), said

    def other_pads(name, layer):
        op, inputs, attributes = layer
        return (op, inputs, attributes[:2] + (ints('pads', 0, 0, 2, 2),) + attributes[3:]) \
            if name == 'stage2.0.depthwise' else layer

    def same_upper(name, layer):  # explicit padding by 1 on every side is another thing at even sizes
        op, inputs, attributes = layer
        return (op, inputs, attributes[:2] + (text(1, 'auto_pad') + text(4, 'SAME_UPPER') + number(20, 3),)) \
            if name == 'stage2.0.depthwise' else layer

    for options, why in (({'change': other_pads}, 'pads in another way before layer stage2.0.depthwise'),
                         ({'change': same_upper}, 'pads in another way before layer stage2.0.depthwise'),
                         ({'padded': (0, 0, 0, 0, 0, 0, 2, 2)}, 'pads in another way before layer stage2.0.dep'),
                         ({'padded': (0, 1, 1, 1, 0, 0, 1, 1)}, 'pads in another way before layer stage2.0.dep'),
                         ({'relu': 'LeakyRelu'}, 'no activation Relu'), ({'relu': 'Identity'}, 'no activation Relu')):
        path.write_bytes(folded_compact(weights, **options)[0])
        said = run('import', path, '-o', folder / 'no', status=1)
        assert 'ONNX_FOLDED' in said and why in said, said
    assert not (folder / 'no').exists()
    path.write_bytes(folded_compact(weights, padded=(0, 0, 1, 1, 0, 0, 1, 1))[0])
    run('import', path, '-o', out, '--overwrite')
    assert parameters(out)['stage2.0.depthwise.weight'] == weights['stage2.0.depthwise.weight']


def test_not_mistaken(folder):
    """The length of a safetensors header may look like the first fields of an ONNX file."""
    path = folder / 'long.safetensors'
    header = json.dumps({'w': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}}).encode()
    size = int.from_bytes(b'\x08\x08\x12\0\0\0\0\0', 'little')
    path.write_bytes(struct.pack('<Q', size) + header.ljust(size) + bytes(4))
    assert json.loads(run('inspect', '--json', path))['format'] == 'safetensors'


def main():
    for name, test in list(globals().items()):
        if name.startswith('test_'):
            with tempfile.TemporaryDirectory() as folder:
                test(Path(folder))
                print(name[5:], 'ok', flush=True)


if __name__ == '__main__':
    main()
