# SPDX-License-Identifier: MIT
"""Faces found by YuNet: the published ONNX files, imported, against ONNX Runtime and against OpenCV.

    yunet.test.py CONVERT SHARED [TRAIN EVAL]

On pictures whose sides are multiples of 32 ONNX Runtime computes the same network on the same pixels; decoding
and suppression are written anew here, from the paper and OpenCV's description. Then the engine has to find the
same faces: boxes and landmarks within a tenth of a pixel, scores within 1e-3. FaceDetectorYN of OpenCV 4.8 and
later is the second witness, within a pixel, since it rounds boxes for the suppression.

Then what the engine does on its own: reduced pictures, other formats, mirrored ones. And the tools that want a
classifier say that this is none.

Exit code 77: ONNX Runtime (tests/run.sh installs it from PyPI into build-python) or the material is absent."""
import subprocess
import sys
import tempfile
from pathlib import Path

import pypi_venv

try:
    import numpy as np
    import onnxruntime
    from PIL import Image
    from vision_engine import Locator, image
except ImportError as missing:
    pypi_venv.go_on(missing)

try:
    import cv2
except ImportError:
    cv2 = None

FILES = ('yunet_n_640_640', 'yunet_s_640_640')
SIZE, SCORE, OVERLAP = 640, 0.6, 0.3


def pictures(shared):
    """{name: [640, 640, 3]}: faces of many sizes side by side, whole faces, no face."""
    sources = sorted(Path(shared, 'data/tasks').glob('*/test/real/*'))[::37][:40]
    faces = [Image.open(path).convert('RGB') for path in sources]
    out = {}
    for name, side in (('small', 40), ('medium', 128), ('large', 320)):
        sheet = Image.new('RGB', (SIZE, SIZE), (90, 100, 110))
        for i in range((SIZE // side) ** 2):
            face = faces[i % len(faces)].resize((side, side), Image.BILINEAR)
            sheet.paste(face, (i % (SIZE // side) * side, i // (SIZE // side) * side))
        out[name] = np.asarray(sheet)
    sheet = Image.new('RGB', (SIZE, SIZE), (90, 100, 110))
    sheet.paste(faces[0].resize((300, 300), Image.BILINEAR), (170, 170))
    out['single'] = np.asarray(sheet)
    out['noise'] = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    return out


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def decode(outputs, height, width):
    """[(box, landmarks, score)], surest first: every cell of every stride, then suppression."""
    found = []
    for stride in (8, 16, 32):
        y, x = np.mgrid[:height // stride, :width // stride].reshape(2, -1)
        cls, obj = (outputs[f'{name}_{stride}'][0, :, 0].clip(0, 1) for name in ('cls', 'obj'))
        box, points = (outputs[f'{name}_{stride}'][0] for name in ('bbox', 'kps'))
        score = np.sqrt(cls * obj)
        w, h = np.exp(box[:, 2]) * stride, np.exp(box[:, 3]) * stride
        left, top = (x + box[:, 0]) * stride - w / 2, (y + box[:, 1]) * stride - h / 2
        points = points.reshape(-1, 5, 2) + np.stack((x, y), 1)[:, None]
        for i in np.flatnonzero(score >= SCORE):
            found.append(((left[i], top[i], w[i], h[i]), points[i] * stride, score[i]))
    kept = []
    for face in sorted(found, key=lambda f: -f[2]):
        if all(iou(face[0], other[0]) <= OVERLAP for other in kept):
            kept.append(face)
    return kept


def expected(session, picture):
    bgr = picture[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    return decode(dict(zip(names, session.run(None, {'input': bgr}))), *picture.shape[:2])


def rows(faces):
    """(box, landmarks, score) of the engine's faces."""
    return [((f.box.x, f.box.y, f.box.w, f.box.h), np.array([(p.x, p.y) for p in f.landmark]), f.score)
            for f in faces]


def found(locator, picture, **params):
    picture = np.ascontiguousarray(picture)
    plane = picture.reshape(picture.shape[0], -1)
    return rows(locator.faces(image('RGB', picture.shape[1], picture.shape[0], [plane]), **params))


def same(label, got, want, pixels, score, least=0.9):
    """The same set of faces, in any order."""
    worst = [0., 0., 0.]
    left = list(want)
    for box, points, sure in got:
        best = max(left, key=lambda f: iou(f[0], box), default=None)
        if best is None or iou(best[0], box) < least:
            print(f'{label}: a face at {box} that is not expected')
            return False
        left = [face for face in left if face is not best]
        worst = [max(worst[0], np.abs(np.subtract(box, best[0])).max()),
                 max(worst[1], np.abs(points - best[1]).max()), max(worst[2], abs(sure - best[2]))]
    print(f'{label}: {len(got)} faces, boxes within {worst[0]:.2g}, landmarks within {worst[1]:.2g} pixels, '
          f'scores within {worst[2]:.1e}')
    return not left and worst[0] <= pixels and worst[1] <= pixels and worst[2] <= score


def opencv(path, picture):
    detector = cv2.FaceDetectorYN.create(str(path), '', (SIZE, SIZE), SCORE, OVERLAP, 5000)
    faces = detector.detect(np.ascontiguousarray(picture[:, :, ::-1]))[1]
    return [(f[:4], f[4:14].reshape(5, 2), f[14]) for f in (() if faces is None else faces)]


def check_file(name, model, path, sheets):
    locator, good, total = Locator(model), True, 0
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    for label, picture in sheets.items():
        got, want = found(locator, picture), expected(session, picture)
        good &= same(f'{name} {label}, ONNX Runtime', got, want, 0.1, 1e-3)
        if cv2 and tuple(map(int, cv2.__version__.split('.')[:2])) >= (4, 8):
            good &= same(f'{name} {label}, OpenCV {cv2.__version__}', got, opencv(path, picture), 1., 1e-3)
        total += len(want)
    return good and total >= 30


def scaled(faces, x, y):
    return [((b[0] * x, b[1] * y, b[2] * x, b[3] * y), p * (x, y), s) for b, p, s in faces]


def check_reduced(locator, picture):
    """A picture enlarged four times, searched for faces four times as large, gives the same faces."""
    large = np.asarray(Image.fromarray(picture).resize((4 * SIZE, 4 * SIZE), Image.NEAREST))
    small, again = found(locator, picture), scaled(found(locator, large, min_size=64), 0.25, 0.25)
    return same('enlarged four times', again, small, 3., 0.15)


def check_mirrored(locator, picture):
    """Right and left keep their meaning: of a mirrored picture the eyes change places."""
    mirrored = [((SIZE - b[0] - b[2], *b[1:]), np.stack((SIZE - p[[1, 0, 2, 4, 3], 0], p[[1, 0, 2, 4, 3], 1]), 1), s)
                for b, p, s in found(locator, picture[:, ::-1])]
    return same('mirrored', mirrored, found(locator, picture), 25., 0.2)


def check_turned(locator, picture):
    """On request the turned picture has the faces of the upright one, turned: those that stand on their head, too.
    Without being asked for some of these are missed."""
    turned = picture[::-1, ::-1]
    both, asked = (found(locator, p, upside_down=True) for p in (picture, turned))
    back = [((SIZE - b[0] - b[2], SIZE - b[1] - b[3], *b[2:]), SIZE - p, s) for b, p, s in asked]
    kept = [f for f in back if any(iou(f[0], u[0]) > 0.9 for u in found(locator, picture))]
    unasked = len(found(locator, turned))
    print(f'upside down: {unasked} of {len(kept)} without being asked for')
    return unasked < len(kept) and same('upside down', back, both, 1e-3, 1e-6) and \
        same('upside down against upright', kept, found(locator, picture), 1e-3, 1e-6)


def check_planes(locator, picture):
    """I420 is taken as it is, chroma and all."""
    height, width = picture.shape[:2]
    r, g, b = np.moveaxis(picture.astype(float), 2, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    chroma = [128 + 224 / 255 * c.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
              for c in ((b - y) / 1.772, (r - y) / 1.402)]
    planes = [np.ascontiguousarray(np.round(p).clip(0, 255).astype(np.uint8))
              for p in (16 + 219 / 255 * y, *chroma)]
    got = rows(locator.faces(image('I420', width, height, planes, site='center')))
    return same('I420', got, found(locator, picture), 6., 0.15)


def said(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 1 and 'YuNet' not in done.stdout, (command, done)
    return done.stderr


def check_refusals(convert, path, folder, tools):
    """Where a classifier is wanted; and settings that only a classifier has."""
    out = Path(folder, 'no.safetensors')
    for option in ('--network=meso4', '--labels=a,b', '--mean=0.5', '--temperature=2', '--strip=bbox_head'):
        text = said(convert, 'import', path, '-o', out, option)
        assert 'SETTINGS' in text and f'{option.split("=")[0]} is for classifiers' in text, text
    assert 'multiples of 32' in said(convert, 'import', path, '-o', out, '--input-size=100')
    assert not out.exists()
    for tool in tools:
        how = ['--test', '-w', path] if tool.endswith('train') else ['--model', path]
        assert 'finds faces: expected a classifier' in said(tool, '-d', folder, *how), tool
    return True


def main(convert, shared, *tools):
    files = {name: Path(shared, f'data/weights/yunet/{name}.onnx') for name in FILES}
    if not all(path.exists() for path in files.values()):
        print('skipped: no published weights in', shared)
        return 77
    sheets, good = pictures(shared), True
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files.items():
            model = Path(folder, name + '.safetensors')
            subprocess.run([convert, 'import', '-q', path, '-o', model], check=True)
            good &= check_file(name, model, path, sheets)
        good &= check_refusals(convert, files[FILES[0]], folder, tools)
        locator = Locator(Path(folder, FILES[0] + '.safetensors'))
        good &= check_reduced(locator, sheets['large'])
        good &= check_mirrored(locator, sheets['single'])
        good &= check_turned(locator, sheets['medium'])
        good &= check_planes(locator, sheets['medium'])
    return 0 if good else 1


sys.exit(main(*sys.argv[1:]))
