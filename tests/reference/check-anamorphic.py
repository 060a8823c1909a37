#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real faces stored with pixels that are not square, and in fields: as many are found as in the
square picture, in the same places of the screen."""
import os
import sys

from vision_engine import Locator, image, np

try:
    import cv2
except ImportError:
    print('skip: OpenCV is not installed (python3-opencv)')
    sys.exit(77)

CASCADE = '/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml'
WIDTH, HEIGHT, PICTURES = 640, 480, 30
# Width and height in which the screen is stored.
STORED = {'4:3': (480, 480), '16:15': (600, 480), '2:1': (320, 480), '1:2': (640, 240), '3:4': (640, 360)}
FOUND = .9    # least part of the faces that the square picture shows
OVERLAP = .8  # least mean intersection over union with them, on the screen
rng = np.random.default_rng(11)


def canvases(folder):
    names = sorted(os.listdir(folder))
    for i in range(PICTURES):
        canvas = cv2.GaussianBlur((rng.integers(0, 60, (HEIGHT, WIDTH)) + 60).astype(np.uint8), (0, 0), 2)
        for k in range(2):
            face = cv2.imread(os.path.join(folder, names[(2 * i + k) % len(names)]), 0)
            side = int(rng.integers(140, 300))
            x, y = WIDTH // 2 * k + int(rng.integers(0, WIDTH // 2 - side + 1)), int(rng.integers(0, HEIGHT - side))
            canvas[y:y + side, x:x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        yield canvas


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(0, w) * max(0, h)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


def faces_of(locator, gray, interlaced=False):
    """Boxes on the screen."""
    height, width = gray.shape
    fx, fy = WIDTH / width, HEIGHT / height
    picture = image('GRAY8', width, height, [gray], interlaced=interlaced, pixel_aspect=fx / fy)
    return [(x * fx, y * fy, w * fx, h * fy) for x, y, w, h, _ in locator.find(picture, min_size=64)]


def main(shared):
    folder = os.path.join(shared, 'data', 'tasks', 'StyleGAN', 'test', 'real')
    if not os.path.isdir(folder) or not os.path.exists(CASCADE):
        print('skip: no photographs in', shared, 'or no', CASCADE)
        return 77
    locator, bad = Locator(CASCADE), False
    pictures = list(canvases(folder))
    squares = [faces_of(locator, gray) for gray in pictures]
    total = sum(map(len, squares))
    cases = {name: ([np.ascontiguousarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA))
                     for gray in pictures], False) for name, size in STORED.items()}
    noise = rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    woven = [gray.copy() for gray in pictures]
    for gray in woven:
        gray[1::2] = noise[1::2]
    cases['one field of two'] = woven, True
    for name, (grays, interlaced) in cases.items():
        best = [max((overlap(face, other) for other in faces_of(locator, gray, interlaced)), default=0)
                for gray, faces in zip(grays, squares) for face in faces]
        found = sum(b > .5 for b in best)
        mean = np.mean([b for b in best if b > .5]) if found else 0
        print(f'{name:16} {found} of {total} faces of the square pictures, mean overlap {mean:.3f}')
        bad |= found < FOUND * total or mean < OVERLAP
    return int(bad or total < PICTURES)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
