#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The cascade locator against OpenCV's detectMultiScale: raw windows and grouped faces, LBP, Haar,
trees and tilted features, on frames of real videos and real faces pasted into larger pictures."""
import os
import sys
import time

from vision_engine import Locator, image, np

try:
    import cv2
except ImportError:
    print('skip: OpenCV is not installed (python3-opencv)')
    sys.exit(77)

DATA = '/usr/share/opencv4'
# name, the part of raw windows that must be the same. Sums near a threshold may round differently.
CASCADES = [('lbpcascades/lbpcascade_frontalface_improved', 1.),
            ('lbpcascades/lbpcascade_frontalface', 1.),
            ('haarcascades/haarcascade_frontalface_default', .99),
            ('haarcascades/haarcascade_frontalface_alt2', .99),
            ('haarcascades/haarcascade_upperbody', .99),
            ('haarcascades/haarcascade_eye_tree_eyeglasses', .99)]
rng = np.random.default_rng(5)


def video_frames(path, every, count):
    video = cv2.VideoCapture(path)
    for i in range(every * count):
        ok, frame = video.read()
        if not ok:
            break
        if i % every == 0:
            width = 480 if frame.shape[1] > frame.shape[0] else 320
            size = (width, round(frame.shape[0] * width / frame.shape[1]))
            yield cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA),
                               cv2.COLOR_BGR2GRAY)


def canvases(folder, count):
    """Faces at random places and sizes in front of a dim, noisy background."""
    names = sorted(os.listdir(folder))
    for i in range(count):
        canvas = (rng.integers(0, 60, (360, 480)) + 60).astype(np.uint8)
        canvas = cv2.GaussianBlur(canvas, (0, 0), 2)
        for k in range(2):
            face = cv2.imread(os.path.join(folder, names[(7 * i + k) % len(names)]), 0)
            side = int(rng.integers(110, 230))
            x, y = 240 * k + int(rng.integers(0, 241 - side)), int(rng.integers(0, 361 - side))
            canvas[y:y + side, x:x + side] = cv2.resize(face, (side, side),
                                                        interpolation=cv2.INTER_AREA)
        yield canvas


def pictures(shared):
    videos = os.path.join(shared, 'data', 'videos')
    for folder, _, names in sorted(os.walk(videos)):
        for name in sorted(names):
            yield from video_frames(os.path.join(folder, name), 40, 2)
    for task in ('DFDC', 'StyleGAN'):
        yield from canvases(os.path.join(shared, 'data', 'tasks', task, 'test', 'real'), 3)


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(0, w) * max(0, h)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


def compare(gray, ours, theirs, figures):
    picture = image('GRAY8', gray.shape[1], gray.shape[0], [gray])
    raw = {tuple(int(v) for v in r[:4]) for r in ours.find(picture, 1.1, 0, 30)}
    want = {tuple(int(v) for v in r) for r in theirs.detectMultiScale(gray, 1.1, 0, 0, (30, 30))}
    figures['raw'] += len(want)
    figures['raw common'] += len(want & raw)
    figures['raw ours'] += len(raw)
    start = time.thread_time()
    faces = ours.find(picture, 1.1, 3, 60)
    figures['our time'] += time.thread_time() - start
    start = time.thread_time()
    boxes = theirs.detectMultiScale(gray, 1.1, 3, 0, (60, 60))
    figures['their time'] += time.thread_time() - start
    figures['faces'] += len(boxes)
    figures['faces ours'] += len(faces)
    for box in boxes:
        best = max(faces, key=lambda f: overlap(f, box), default=None)
        if best is not None and overlap(best, box) > .9:
            figures['faces common'] += 1
            figures['worst'] = max(figures['worst'], np.abs(np.array(best[:4]) - box).max())


def main(shared):
    if not os.path.isdir(os.path.join(shared, 'data')) or not os.path.isdir(DATA):
        print(f'skip: no {shared}/data or no {DATA} (opencv-data)')
        sys.exit(77)
    cv2.setNumThreads(1)
    grays = [np.ascontiguousarray(p) for p in pictures(shared)]
    print(f'OpenCV {cv2.__version__}, {len(grays)} pictures; scale 1.1, raw windows >= 30 px, '
          f'faces >= 60 px; CPU time of one thread, as a ratio')
    failed = False
    for name, least in CASCADES:
        path = f'{DATA}/{name}.xml'
        figures = dict.fromkeys(['raw', 'raw common', 'raw ours', 'faces', 'faces ours',
                                 'faces common', 'worst', 'our time', 'their time'], 0)
        ours, theirs = Locator(path), cv2.CascadeClassifier(path)
        for gray in grays:
            compare(gray, ours, theirs, figures)
        f = figures
        print(f'{os.path.basename(name):32} raw {f["raw"]} / {f["raw ours"]} ours, '
              f'{f["raw common"]} the same; faces {f["faces"]} / {f["faces ours"]} ours, '
              f'{f["faces common"]} the same within {f["worst"]:.1f} px; '
              f'{f["their time"] / f["our time"]:.1f}x as fast')
        most = max(f['raw'], f['raw ours'])
        failed |= f['raw common'] < least * most or f['raw'] < 20
        failed |= f['faces common'] < .97 * max(f['faces'], f['faces ours']) or f['worst'] > 1.
    sys.exit(int(failed))


if __name__ == '__main__':
    main(sys.argv[1])
