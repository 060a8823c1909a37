#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turned areas against the triangle filter computed in double precision at the very centre of every
output pixel, with no picture in between: every pixel format, fields, pixels that are not square,
areas that reach beyond the picture. Then with Pillow: a turned picture with turned eyes gives the
crop of the upright one."""
import sys

from preprocess_numpy import expected_turned
from raw_pictures import components, in_memory, planes_of
from vision_engine import FORMATS, SITES, Preprocessor, cpus, crop_area, image, np

try:
    from PIL import Image, ImageFilter
except ImportError:
    print('skip: Pillow is not installed (python3-pil)')
    sys.exit(77)

ANGLES = (-45, -10, .01, 30, 90, 135, 180, -300)
QUARTERS = (90, 180)
# Where the pixels lie on samples of the picture in between there is float rounding alone.
EXACT = 4e-6
# Else there is what bicubic interpolation adds. Of an output range of 1; the first on every pixel of
# smooth pictures, the second on the mean of noise, of which nothing is predictable and every pixel
# differs from its neighbours.
SMOOTH, NOISE = 2 / 255, .035
# Mean difference of the crops of two pictures, of which one was turned with Pillow (bicubic, 8 bits).
TURNED_PICTURE = 1.5 / 255
rng = np.random.default_rng(13)


def waves(comp):
    """A component of the same size and type without detail, nor colours that have to be clipped."""
    peak = 1023 if comp.dtype == np.uint16 else 255
    y, x = np.mgrid[0:comp.shape[0], 0:comp.shape[1]]
    a, b = rng.uniform(-1, 1, 2)
    value = np.sin((x * a + y * b) / 9) + np.cos((x * b - y * a) / 13)
    return np.rint((.5 + .05 * value) * peak).astype(comp.dtype)


def areas(width, height):
    """Boxes of several pixels per output pixel, and of less than one."""
    yield .2 * width, .25 * height, .55 * width, .5 * height
    yield .45 * width, .4 * height, .1 * width, .15 * height
    yield -.2 * width, .6 * height, .7 * width, .7 * height


def check(fmt, size, out_size, smooth, pres, worst):
    comps, sub = components(fmt, *size, rng)
    if smooth:
        comps = [waves(comp) for comp in comps]
    planes = [in_memory(p, 13, bool(rng.integers(2)), rng) for p in planes_of(fmt, comps, rng)]
    site, woven = str(rng.choice(list(SITES))), bool(rng.integers(2))
    aspect = float(rng.choice([1, 4 / 3, .5]))
    picture = image(fmt, *size, planes, 'bt709', 'limited', site, woven, aspect)
    for box in areas(*size):
        for degrees in ANGLES:
            angle = np.radians(degrees)
            want = expected_turned(fmt, comps, sub, box, angle, out_size, 'bt709', 'limited', site,
                                   woven, aspect)
            for pre in pres:
                diff = np.abs(pre.run_area(picture, box, angle) - want)
                about = fmt, size, out_size, box, degrees, site, woven, aspect
                if degrees in QUARTERS:
                    assert diff.max() <= EXACT, (about, diff.max())
                elif smooth:
                    assert diff.max() <= SMOOTH, (about, diff.max())
                else:
                    assert diff.mean() <= NOISE, (about, diff.mean())
                kind = 'quarters' if degrees in QUARTERS else 'smooth' if smooth else 'noise'
                value = diff.mean() if kind == 'noise' else diff.max()
                worst[kind] = max(worst.get(kind, 0), value)


def check_angle_0(size=(90, 70)):
    comps, _ = components('I420', *size, rng)
    picture = image('I420', *size, planes_of('I420', comps, rng))
    for cpu in cpus():
        pre = Preprocessor(33, 41, cpu=cpu)
        box = 10.3, 5.7, 50.1, 50.1
        upright = pre.run(picture, box)
        assert np.array_equal(upright, pre.run_area(picture, box, 0.))
        assert np.abs(upright - pre.run_area(picture, box, 1e-7)).max() < 1e-4


def check_aliasing():
    """Detail that the network cannot show gives gray, not a pattern of its own."""
    y, x = np.mgrid[0:600, 0:600]
    for name, luma in (('squares', (x + y) % 2), ('columns', x % 2), ('lines', y // 2 % 2)):
        gray = np.ascontiguousarray(luma * 255, np.uint8)
        picture = image('GRAY8', 600, 600, [gray], rng='full')
        for degrees in ANGLES:
            got = Preprocessor(64, 64).run_area(picture, (150, 150, 300, 300), np.radians(degrees))
            assert np.abs(got - .5).max() < .06, (name, degrees, np.abs(got - .5).max())


def scene(side):
    """Blobs of all sizes, sharp at their borders, as a photograph is."""
    picture = np.zeros((side, side, 3))
    y, x = np.mgrid[0:side, 0:side]
    for _ in range(120):
        cx, cy, r = rng.uniform(0, side, 2).tolist() + [rng.uniform(3, 40)]
        picture[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.integers(0, 256, 3)
    return Image.fromarray(picture.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.5))


def in_engine(picture):
    """Its pixels, which have to outlive the description, and the description."""
    data = np.ascontiguousarray(np.asarray(picture)).reshape(picture.height, -1)
    return data, image('RGB', picture.width, picture.height, [data])


def check_turned_pictures(side=480):
    upright, worst = scene(side), 0
    face, eyes = (170, 165, 130, 150), np.array([(205, 215), (262, 215)], float)
    _upright, picture = in_engine(upright)
    centre = np.array([side / 2, side / 2])
    for out in (64, 224):
        pre = Preprocessor(out, out)
        box, angle = crop_area(picture, face, eyes)
        assert angle == 0
        want = pre.run_area(picture, box, angle)
        for degrees in ANGLES:
            c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
            turned = upright.rotate(-degrees, Image.BICUBIC)  # Pillow counts the other way
            _turned, other = in_engine(turned)
            move = lambda p: centre + np.array([[c, -s], [s, c]]) @ (np.asarray(p) - centre)
            middle = move((face[0] + face[2] / 2, face[1] + face[3] / 2))
            moved_box, moved_angle = crop_area(
                other, (*(middle - (65, 75)), face[2], face[3]), [move(e) for e in eyes])
            assert np.isclose(np.cos(moved_angle - np.radians(degrees)), 1), (degrees, moved_angle)
            diff = np.abs(pre.run_area(other, moved_box, moved_angle) - want).mean()
            assert diff <= TURNED_PICTURE, (out, degrees, diff)
            worst = max(worst, diff)
            if abs(degrees) > 5:  # and the upright crop is another picture altogether
                assert np.abs(pre.run(other, moved_box) - want).mean() > 10 * TURNED_PICTURE
    return worst


def main():
    worst, cases = {}, 0
    for out_size in ((24, 24), (33, 17)):
        pres = [Preprocessor(*out_size, cpu=cpu) for cpu in cpus()]
        for fmt in FORMATS:
            for size in ((150, 140), (37, 41)):
                check(fmt, size, out_size, False, pres, worst)
            check(fmt, (200, 200), out_size, True, pres, worst)
            cases += 3 * 3 * len(ANGLES) * len(pres)
    check_angle_0()
    check_aliasing()
    worst['turned picture'] = check_turned_pictures()
    print(f'{cases} comparisons; largest differences:',
          ', '.join(f'{kind} {value:.2e}' for kind, value in sorted(worst.items())))


if __name__ == '__main__':
    main()
