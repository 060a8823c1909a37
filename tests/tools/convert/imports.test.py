# SPDX-License-Identifier: MIT
"""Weight files as people have them: prefixes of wrappers, classifiers of other names, extra tensors,
one output, hints about classes and input, and files that are no weights at all.

    imports.test.py CONVERT
"""
import array
import functools
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pthfile
from pthfile import EMPTY_DICT, EMPTY_LIST, MARK, integer, state_dict, storage, tensor, text

CONVERT = sys.argv[1]
STAGES = ((32, 1, 0), (64, 2, 1), (128, 2, 2), (256, 2, 2))  # channels, stride, residual blocks


def compact(outputs=2, classifier='classifier'):
    """Names and shapes of the compact network."""
    shapes, channels = {'stem.weight': (16, 3, 3, 3)}, 16

    def batch_norm(name, n):
        for part in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.{part}'] = (n,)

    batch_norm('stem_bn', 16)
    for stage, (wide, _, residual) in enumerate(STAGES, 1):
        for block in range(residual + 1):
            where = f'stage{stage}.{block}'
            shapes[where + '.depthwise.weight'] = (channels, 1, 3, 3)
            shapes[where + '.pointwise.weight'] = (wide, channels, 1, 1)
            batch_norm(where + '.bn', wide)
            channels = wide
    shapes['head.weight'] = (320, 256, 1, 1)
    batch_norm('head_bn', 320)
    shapes[classifier + '.weight'] = (outputs, 320)
    shapes[classifier + '.bias'] = (outputs,)
    return shapes


@functools.lru_cache(maxsize=None)
def numbers(place, part, shape, seed):
    """Values of a layer's 'weight', 'bias', ..., such that the output depends on the input. place
    is that of the tensor in the file: names may change."""
    count = 1
    for n in shape:
        count *= n
    if part == 'running_var':
        return array.array('f', [1.0] * count)
    if part == 'running_mean' or part == 'bias':
        return array.array('f', [0.0] * count)
    scale = 5.0 * (count / shape[0]) ** -0.5
    draw = random.Random(f'{place} {seed}').random
    if len(shape) == 1:  # of a batch norm
        return array.array('f', (0.8 + 0.4 * draw() for _ in range(count)))
    return array.array('f', ((draw() - 0.5) * scale for _ in range(count)))


def weights(shapes, seed=1):
    """Opcodes of a dictionary of these tensors, and the records of its storages."""
    entries, records = [], []
    for i, (name, shape) in enumerate(shapes.items()):
        values = numbers(i, name.split('.')[-1], tuple(shape), seed)
        strides = [1]
        for n in reversed(shape[1:]):
            strides.insert(0, strides[0] * n)
        key = str(1000 * seed + i)
        entries.append((name, tensor(storage(key, len(values)), 0, shape, strides[:len(shape)])))
        records.append((key, values.tobytes()))
    return state_dict(entries), records


def write(path, shapes, beside=()):
    """A checkpoint: the tensors alone, or under 'state_dict' beside other entries."""
    body, records = weights(shapes)
    if beside:
        body = state_dict([('state_dict', body), *beside])
    path.write_bytes(pthfile.pth(body, records))


def run(*arguments, status=0):
    done = subprocess.run([CONVERT, *map(str, arguments)], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == status, (arguments, done)
    return done.stdout + done.stderr


def import_it(path, *options, status=0):
    return run('import', '--overwrite', path, '-o', path.with_suffix('.safetensors'), *options,
               status=status)


def digest(path):
    return json.loads(run('inspect', '--json', path.with_suffix('.safetensors'))[:-1])[
        'weights_sha256']


def renamed(shapes, change):
    return {change(name): shape for name, shape in shapes.items()}


def test_prefixes(folder):
    path = folder / 'm.pth'
    write(path, compact())
    import_it(path)
    plain = digest(path)
    for prefix in ('_orig_mod.', 'module.', 'model.', 'net.', 'encoder.', 'backbone.', 'detector.',
                   'student.', 'cored-compact.', 'Compact.', 'module._orig_mod.model.',
                   'net.encoder.module.backbone.student.', 'my_wrapper.inner.'):
        write(path, renamed(compact(), lambda name: prefix + name))
        said = import_it(path)
        assert digest(path) == plain, prefix
        assert "stripped the prefix '" in said or "took PyTorch's wrappers" in said, said
    # A wrapper around one part of the network, as torch.compile and checkpointing leave it.
    write(path, renamed(compact(), lambda name: name.replace('stage2.', 'stage2._orig_mod.')))
    assert "took PyTorch's wrappers" in import_it(path) and digest(path) == plain


def test_classifiers(folder):
    path = folder / 'm.pth'
    write(path, compact())
    import_it(path)
    plain = digest(path)
    for name in ('fc', 'last_linear', 'last_layer', '_fc', 'classifier.1', 'head.2', 'fc.0.1'):
        for prefix in ('', 'model.'):
            write(path, renamed(compact(classifier=name), lambda n: prefix + n))
            assert f"took '{prefix}{name}' as the classifier" in import_it(path)
            assert digest(path) == plain, name
    # The classifier beside the wrapped rest, under its own name or another.
    for name in ('classifier', 'head_fc'):
        write(path, renamed(compact(classifier=name),
                            lambda n: n if n.startswith(name + '.') else 'backbone.' + n))
        import_it(path)
        assert digest(path) == plain
    # Two that could be it: said, with what to write.
    shapes = compact(classifier='fc_a') | {'fc_b.weight': (2, 320), 'fc_b.bias': (2,)}
    write(path, shapes)
    said = import_it(path, status=1)
    assert '2 layers can be the classifier' in said, said
    assert "--rename 'fc_a=classifier'" in said and "--rename 'fc_b=classifier'" in said, said
    assert 'unknown: fc_b.weight (2x320)' in import_it(path, '--rename=fc_a=classifier', status=1)
    import_it(path, '--rename', 'fc_a=classifier', '--drop', 'fc_b.*')
    assert digest(path) == plain


def test_extra_tensors(folder):
    path = folder / 'm.pth'
    write(path, compact())
    import_it(path)
    plain = digest(path)
    extra = {'optimizer.0.exp_avg': (3,), 'stem_bn.num_batches_tracked': (1,), 'total_ops': (1,),
             'stage1.0.total_params': (1,), 'criterion.weight': (2,)}
    write(path, compact() | extra | renamed(compact(), lambda n: 'ema.module.' + n))
    said = import_it(path)
    assert digest(path) == plain
    for part in ('left out 3 counters', 'of other copies of the network', 'of an optimizer'):
        assert part in said, (part, said)
    # A layer that nobody knows may change what the network computes.
    write(path, renamed(compact(), lambda n: 'model.' + n) | {'neck.weight': (320, 320)})
    said = import_it(path, status=1)
    assert 'unknown: neck.weight (320x320)' in said and '--drop' in said, said
    assert "tried cored-compact under 'model.': " in said, said
    import_it(path, '--drop', 'neck.*')
    assert digest(path) == plain
    # Student and teacher, and two of which neither is an average of the other.
    for beside in ('teacher.', 'model_ema.module.', 'net.ema.'):
        write(path, renamed(compact(), lambda n: 'student.' + n) |
              renamed(compact(), lambda n: beside + n))
        assert "stripped the prefix 'student.'" in import_it(path)
    both = renamed(compact(), lambda n: 'first.' + n) | renamed(compact(), lambda n: 'second.' + n)
    write(path, both)
    said = import_it(path, status=1)
    assert "--strip 'first.'" in said and "--strip 'second.'" in said, said
    assert 'left out' in import_it(path, '--strip', 'second')
    assert 'left out' in import_it(path, '--drop', 'first.*')


def test_branches(folder):
    """Half of a detector with two branches is not taken unasked."""
    path = folder / 'm.pth'
    write(path, compact())
    import_it(path)
    plain = digest(path)
    for one, other in (('backbone.', 'backbone_freq.'), ('encoder.', 'srm_encoder.'),
                       ('model.net.', 'model.frequency.')):
        write(path, {one + n: shape for n, shape in compact().items()} |
              {other + n: shape for n, shape in compact().items()})
        said = import_it(path, status=1)
        assert 'STATE_DICT_AMBIGUOUS' in said and 'several branches' in said, said
        for prefix in (one, other):
            assert f"--strip '{prefix}'; to leave them out: --drop '{prefix}*'" in said, said
        assert 'of other copies of the network' in import_it(path, '--strip', one)
        assert digest(path) == plain
        assert 'copies' not in import_it(path, '--drop', other + '*')
        assert digest(path) == plain
    # One of them at the top: only the other can be left out.
    write(path, compact() | renamed(compact(), lambda n: 'freq.' + n))
    said = import_it(path, status=1)
    assert "--drop 'freq.*'" in said and '--strip' not in said.split('what to do')[0], said
    import_it(path, '--drop', 'freq.*')
    assert digest(path) == plain
    # A second branch with another first layer, as those that look at spectra have it.
    freq = renamed(compact(), lambda n: 'freq.' + n) | {'freq.stem.weight': (16, 12, 3, 3)}
    write(path, compact() | freq)
    assert 'unknown: freq.stem.weight (16x12x3x3)' in import_it(path, status=1)
    import_it(path, '--drop', 'freq.*')
    assert digest(path) == plain


def test_edits(folder):
    """Names as inspect prints them; one that fits nothing is an error."""
    path = folder / 'm.pth'
    write(path, renamed(compact(), lambda n: 'weird\x1b.' + n.replace('stem_bn', 'first_norm')))
    said = import_it(path, status=1)
    assert 'missing: stem_bn.weight (16)' in said and '\x1b' not in said, said
    import_it(path, '--rename', 'weird\\x1b.first_norm=weird\\x1b.stem_bn', '--strip', 'weird\\x1b')
    for option in ('--drop=nothing*', '--strip=nothing', '--rename=nothing=x', '--strip=we',
                   '--rename=weird=x'):
        said = import_it(path, option, status=1)
        assert ': SETTINGS: ' in said and 'fits the name of no tensor' in said, said
    for option in ('--rename=x', '--rename==x', '--rename=x=', '--strip='):
        assert ': SETTINGS: ' in import_it(path, option, status=1)
    write(path, compact() | {'a\x1bb': (3,), 'a\\b': (3,)})
    said = import_it(path, '--drop=a\\x1bb', '--drop=a\\b')
    assert said.count('1 tensors, as asked for') == 2, said
    write(path, compact())
    said = import_it(path, '--rename=stem=head', status=1)
    assert 'TENSOR_DUPLICATE' in said and 'what to do: ' in said, said


def test_networks_by_name(folder):
    path = folder / 'm.pth'
    write(path, compact())
    for name in ('cored-compact', 'Compact', 'COMPACT'):
        import_it(path, '--network', name)
    said = import_it(path, '--network=xceptoin', status=2)
    for network in ('xception', 'efficientnet-b0', 'meso4', 'mesoinception4', 'cored-compact'):
        assert network in said, said


def test_one_output(folder):
    path = folder / 'm.pth'
    write(path, compact(1))
    said = import_it(path)
    assert 'one output (for a sigmoid)' in said and '--labels=real,fake' in said, said
    found = json.loads(run('inspect', '--json', path.with_suffix('.safetensors')))
    assert found['model']['labels'] == ['real', 'fake'] and found['model']['fake_class'] == 1
    raw = path.with_suffix('.safetensors').read_bytes()
    size = struct.unpack('<Q', raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    for name, n in (('classifier.weight', 320), ('classifier.bias', 1)):
        start, end = header[name]['data_offsets']
        values = struct.unpack(f'<{2 * n}f', raw[8 + size + start:8 + size + end])
        assert values[:n] == (0.0,) * n
        assert list(values[n:]) == list(numbers(len(compact()) - (2 if n > 1 else 1), name.split('.')[1],
                                            (1, n) if n > 1 else (1,), 1))
    import_it(path, '--labels=fake,real')  # an output near 1 meant real
    assert json.loads(run('inspect', '--json', path.with_suffix('.safetensors')))['model'][
        'fake_class'] == 0


def dictionary(**entries):
    return EMPTY_DICT + MARK + b''.join(text(k) + v for k, v in entries.items()) + b'u'


def test_assumptions(folder):
    path = folder / 'm.pth'
    write(path, compact())
    said = import_it(path)
    assert 'assumed' in said and '--input-size=128x128' in said and '--labels=fake,real' in said
    assert '--mean=0.5' in said and '--std=0.5' in said and 'warning' not in said, said
    given = ('--input-size=128', '--labels=fake,real', '--mean=0.5', '--std=0.5')
    assert 'assumed' not in import_it(path, *given)
    order = dictionary(real=integer(0), fake=integer(1))
    write(path, compact(), [('class_to_idx', order)])
    said = import_it(path, '-q')
    assert "warning: class_to_idx says classes 'real,fake'" in said and 'assumed' not in said, said
    assert 'warning' not in import_it(path, '--labels=real,fake')
    gap = dictionary(real=integer(0), fake=integer(2))
    write(path, compact(), [('class_to_idx', gap)])
    said = import_it(path)
    assert 'warning' not in said, said
    write(path, compact(), [('class_to_idx', gap), ('label2id', order)])
    said = import_it(path)
    assert "warning: label2id says classes 'real,fake'" in said, said
    names = EMPTY_LIST + MARK + text('Fake') + text('Real') + b'e'
    write(path, compact(), [('classes', names)])
    assert 'warning' not in import_it(path)
    write(path, compact(), [('args', dictionary(img_size=integer(224)))])
    said = import_it(path)
    assert 'warning: img_size says 224x224' in said and '--input-size=224x224' in said, said
    assert 'warning' not in import_it(path, '--input-size=224')
    named = folder / 'compact-299.pth'
    write(named, compact())
    assert "the file's name says 299x299" in import_it(named)
    for name in ('compact-b0299a', 'compact_epoch_64', 'compact_bs-256', 'compact.ep.64',
                 'compact_batch_size_64', 'compact Iter 320', 'epochs-64'):
        named = folder / f'{name}.pth'
        write(named, compact())
        assert 'warning' not in import_it(named), name
    named = folder / 'compact_img_size_224_epoch_64.pth'
    write(named, compact())
    assert "the file's name says 224x224" in import_it(named)


def efficientnet_b0():
    """Names and shapes of EfficientNet-B0: 128 pixels are assumed, published weights are for 224."""
    shapes = {}

    def conv(name, *shape):
        shapes[name + '.weight'] = shape

    def batch_norm(name, n):
        for part in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.{part}'] = (n,)

    conv('_conv_stem', 32, 3, 3, 3)
    batch_norm('_bn0', 32)
    channels, block = 32, 0
    for repeats, kernel, expand, wide in ((1, 3, 1, 16), (2, 3, 6, 24), (2, 5, 6, 40), (3, 3, 6, 80),
                                          (3, 5, 6, 112), (4, 5, 6, 192), (1, 3, 6, 320)):
        for _ in range(repeats):
            where, inner = f'_blocks.{block}.', channels * expand
            if expand > 1:
                conv(where + '_expand_conv', inner, channels, 1, 1)
                batch_norm(where + '_bn0', inner)
            conv(where + '_depthwise_conv', inner, 1, kernel, kernel)
            batch_norm(where + '_bn1', inner)
            for part, to, of in (('reduce', channels // 4, inner), ('expand', inner, channels // 4)):
                conv(f'{where}_se_{part}', to, of, 1, 1)
                shapes[f'{where}_se_{part}.bias'] = (to,)
            conv(where + '_project_conv', wide, inner, 1, 1)
            batch_norm(where + '_bn2', wide)
            channels, block = wide, block + 1
    conv('_conv_head', 1280, 320, 1, 1)
    batch_norm('_bn1', 1280)
    return shapes | {'_fc.weight': (2, 1280), '_fc.bias': (2,)}


def test_published_size(folder):
    """What the published weights are for is said, unless the file itself says its size."""
    path = folder / 'b0.pth'
    write(path, efficientnet_b0())
    published = 'published weights of efficientnet-b0 are for 224x224, not 128x128'
    assert published in import_it(path)
    assert 'warning' not in import_it(path, '--input-size=128')
    for name in ('b0_bs-128', 'b0_epoch_64', 'b0_128'):
        path = path.rename(folder / f'{name}.pth')
        said = import_it(path)
        assert published in said and 'name says' not in said, (name, said)
    path = path.rename(folder / 'b0_256.pth')
    said = import_it(path)
    assert "the file's name says 256x256" in said and published in said, said
    path = path.rename(folder / 'b0_224.pth')
    assert "the file's name says 224x224" in import_it(path)
    write(path, efficientnet_b0(), [('img_size', integer(128))])
    assert 'warning' not in import_it(path)


def test_dictionaries(folder):
    """The weights under any key, if there is one; what is there is listed where there are more."""
    path = folder / 'm.pth'
    body, records = weights(compact())
    path.write_bytes(pthfile.pth(state_dict([('epoch', integer(3)), ('netD', body)]), records))
    assert "took the dictionary under 'netD'" in import_it(path)
    other, more = weights(compact(), 2)
    path.write_bytes(pthfile.pth(state_dict([('netG', other), ('netD', body)]), records + more))
    said = import_it(path, status=1)
    assert "'netG' and 'netD'; choose one with --key" in said, said
    import_it(path, '--key', 'netD')
    path.write_bytes(pthfile.pth(state_dict([('epoch', integer(3))]), ()))
    said = import_it(path, status=1)
    assert "with the keys 'epoch'" in said and 'what to do: ' in said, said


def build(kind, state=b'}'):
    """An object of a class, as pickle writes it."""
    return kind + b')\x81' + state + b'b'


def test_objects(folder):
    path = folder / 'm.pth'
    body, records = weights(compact())
    namespace = build(b'cargparse\nNamespace\n', dictionary(lr=integer(1)))
    path.write_bytes(pthfile.pth(state_dict([('args', namespace), ('state_dict', body)]), records))
    said = import_it(path, status=1)
    assert "asks for 'argparse.Namespace'" in said, said
    assert "['state_dict'], 'weights.pth')" in said and 'if you trust' in said, said
    assert "['state_dict'], 'weights.pth')" in run('inspect', path, status=1)
    path.write_bytes(pthfile.pth(build(b'cmy.models\nDetector\n', dictionary(x=body)), records))
    said = import_it(path, status=1)
    assert 'a whole object of a Python program (my.models.Detector)' in said, said
    assert ".state_dict(), 'weights.pth')" in said, said
    for name in (b'cposix\nsystem\n', b'cbuiltins\neval\n', b'csubprocess\nPopen\n'):
        path.write_bytes(pthfile.pth(name + MARK + text('true') + b'tR', records))
        said = import_it(path, status=1)
        assert 'do not load it' in said and 'weights_only' not in said, said


def test_other_files(folder):
    path = folder / 'file'
    cases = {
        b'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n': 'git lfs pull',
        b'\n  <!DOCTYPE html><html><head></head></html>': 'a web page',
        b'<HTML><body>404</body></html>': 'a web page',
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>': 'an XML text',
        b'{"message": "Not Found", "status": 404}': 'a JSON text',
        b'\x08\x01\x12\x07\x0a\x05serve': 'a SavedModel of TensorFlow',
        b'\x93NUMPY\x01\x00v\x00{}': 'NumPy array',
        b'\x1f\x8b\x08\x00\x00\x00\x00\x00': 'gunzip',
        b'\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01': 'JPEG picture',
        pthfile.archive([pthfile.Entry('metadata.json', b'{"keras_version": "3.0"}'),
                         pthfile.Entry('config.json', b'{}')]): 'Keras 3 archive',
        pthfile.archive([pthfile.Entry('a.npy', b'\x93NUMPY')]): 'NumPy archive',
    }
    for data, part in cases.items():
        path.write_bytes(data)
        for command in (['import', path, '-o', folder / 'out.safetensors'], ['inspect', path]):
            said = run(*command, status=1)
            assert part in said and 'what to do: ' in said, (part, said)
    secret = folder / 'key.secret'
    run('keygen', '-o', folder / 'key')
    write(path, compact())
    for command in (['export', path, '-o', folder / 'out.pth'], ['sign', '--key', secret, path],
                    ['verify', '--keys', folder / 'key.public', path]):
        said = run(*command, status=1)
        assert 'cored-convert import FILE' in said, said
    path.write_bytes(b'<html>a page</html>')
    assert 'what to do: ' in run('export', path, '-o', folder / 'out.pth', status=1)


def test_truncated(folder):
    """A file that is cut anywhere gives a named refusal and a next step, with every command."""
    path, key = folder / 'm.pth', folder / 'key'
    run('keygen', '-o', key)
    write(path, compact())
    whole = path.read_bytes()
    import_it(path)
    model = path.with_suffix('.safetensors').read_bytes()
    for data in (whole, model):
        for size in (0, 1, 8, 9, 100, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:size])
            for command in (['import', path, '-o', folder / 'no'], ['inspect', path],
                            ['export', path, '-o', folder / 'no'],
                            ['sign', '-k', f'{key}.secret', path],
                            ['verify', '-k', f'{key}.public', path]):
                said = run(*command, status=1)
                assert 'what to do: ' in said, (size, command, said)
                assert path.read_bytes() == data[:size] and not (folder / 'no').exists()


def test_overwriting(folder):
    path, out = folder / 'm.pth', folder / 'out.safetensors'
    write(path, compact())
    out.write_text('mine')
    said = run('import', path, '-o', out, status=1)
    assert 'EXISTS' in said and '--overwrite' in said and out.read_text() == 'mine', said
    run('import', '--overwrite', path, '-o', out)
    model, back = out.read_bytes(), folder / 'back.pth'
    back.symlink_to(folder / 'absent')
    assert 'EXISTS' in run('export', out, '-o', back, status=1)
    assert back.is_symlink() and not back.exists()
    run('keygen', '-o', folder / 'key')
    assert 'EXISTS' in run('sign', '-k', folder / 'key.secret', out, '-o', path, status=1)
    assert out.read_bytes() == model
    run('sign', '-k', folder / 'key.secret', out)  # in place is what it is for
    assert out.read_bytes() != model


def test_run_folders(folder):
    """Wherever a model is read, the folder of a run is its best model."""
    path, results = folder / 'm.pth', folder / 'run'
    results.mkdir()
    write(path, compact())
    run('import', path, '-o', results / 'best.safetensors')
    run('keygen', '-o', folder / 'key')
    run('sign', '-k', folder / 'key.secret', results)
    run('verify', '-k', folder / 'key.public', results, f'file://{results}/best.safetensors')
    run('export', results, '-o', folder / 'back.pth')
    assert 'cored-compact' in run('inspect', results)
    (results / 'best.safetensors').rename(results / 'a.safetensors')
    (results / 'b.safetensors').write_bytes(b'')
    assert 'found 2' in run('export', results, '-o', folder / 'no', status=1)


if __name__ == '__main__':
    for name, test in list(globals().items()):
        if name.startswith('test_'):
            with tempfile.TemporaryDirectory() as where:
                test(Path(where))
            print(name, 'ok')
