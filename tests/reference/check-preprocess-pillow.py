#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The preprocessor on RGB pictures against Pillow's BILINEAR resize with a fractional box.

Pillow rounds to 8 bits between its two passes and at the end, so it lies up to 1/255 from an
exact computation; we are to be within that, whatever the size, the box and the CPU path."""
import sys

from vision_engine import Preprocessor, cpus, image, lib, np

try:
    import PIL
    from PIL import Image
except ImportError:
    print('skip: Pillow is not installed (python3-pil)')
    sys.exit(77)

rng = np.random.default_rng(2020)


def padded(picture, box):
    """The picture with its border repeated so far that the box is inside, and the moved box."""
    height, width = picture.shape[:2]
    x, y, w, h = box
    left, top = max(0, -int(np.floor(x))), max(0, -int(np.floor(y)))
    right, bottom = max(0, int(np.ceil(x + w)) - width), max(0, int(np.ceil(y + h)) - height)
    big = np.pad(picture, ((top, bottom), (left, right), (0, 0)), mode='edge')
    return big, (x + left, y + top, w, h)


def compare(picture, box, out_size, preprocessors):
    big, (x, y, w, h) = padded(picture, box)
    want = np.asarray(Image.fromarray(big).resize(out_size, Image.BILINEAR,
                                                  box=(x, y, x + w, y + h)), np.float64)
    worst = 0
    for pre in preprocessors:
        got = pre.run(image('RGB', picture.shape[1], picture.shape[0],
                            [picture.reshape(picture.shape[0], -1)]), box) * 255.
        diff = np.abs(got - want).max()
        assert diff <= 1.001, (f'picture {picture.shape}, box {box}, output {out_size}: '
                             f'{diff:.4f}/255 from Pillow')
        worst = max(worst, diff)
    return worst


def random_picture(width, height):
    kind = rng.integers(3)
    if kind == 0:
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    if kind == 1:
        return (rng.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(x * 3 + y) % 256, (x + y * 5) % 256, (x * y) % 256], -1).astype(np.uint8)


def main():
    worst, cases = 0, 0
    for out_size in [(128, 128), (299, 299), (224, 224), (17, 5), (1, 1), (256, 3)]:
        pres = [Preprocessor(*out_size, cpu=cpu) for cpu in cpus()]
        for _ in range(25):
            width, height = (int(v) for v in np.exp(rng.uniform(0, np.log(700), 2)))
            picture = random_picture(width, height)
            whole = (0, 0, width, height)
            w, h = rng.uniform(.05, 1, 2) * (width, height)
            inside = (rng.uniform(0, width - w), rng.uniform(0, height - h), w, h)
            grid = tuple(float(int(v)) for v in inside[:2]) + (max(1., w // 1), max(1., h // 1))
            outside = (rng.uniform(-.4, .9) * width, rng.uniform(-.4, .9) * height,
                       rng.uniform(.5, 1.5) * width, rng.uniform(.5, 1.5) * height)
            for box in (whole, inside, grid, outside):
                worst = max(worst, compare(picture, box, out_size, pres))
                cases += len(pres)
    print(f'Pillow {PIL.__version__}: {cases} comparisons on {len(cpus())} CPU paths, '
          f'largest difference {worst:.3f}/255')


if __name__ == '__main__':
    main()
