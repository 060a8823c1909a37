#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The preprocessor on every pixel format, matrix and range, odd sizes, padded and bottom-up rows,
against an independent double-precision computation with dense filter matrices."""
from preprocess_numpy import expected
from raw_pictures import components, in_memory, planes_of
from vision_engine import FORMATS, MATRICES, RANGES, SITES, Preprocessor, cpus, image, np

rng = np.random.default_rng(7)
# Largest error allowed, of an output range of 1: float rounding only.
BOUND = 4e-6


def boxes(width, height):
    yield 0, 0, width, height
    w, h = rng.uniform(.1, .9, 2) * (width, height)
    yield rng.uniform(0, width - w), rng.uniform(0, height - h), w, h
    yield -.3 * width, .2 * height, width * 1.2, height * 1.1


def main():
    mean, std = (.485, .456, .406), (.229, .224, .225)
    worst, cases = 0, 0
    for out_size in ((16, 16), (33, 7)):
        pres = [Preprocessor(*out_size, mean, std, cpu) for cpu in cpus()]
        for fmt in FORMATS:
            for size in ((1, 1), (2, 2), (1, 9), (9, 1), (3, 5), (15, 17), (64, 48), (131, 77)):
                comps, sub = components(fmt, *size, rng)
                for matrix in MATRICES:
                    for rg in RANGES:
                        pad, up = int(rng.choice([0, 1, 13, 64])), bool(rng.integers(2))
                        planes = [in_memory(p, pad, up, rng) for p in planes_of(fmt, comps, rng)]
                        site, woven = str(rng.choice(list(SITES))), bool(rng.integers(2))
                        picture = image(fmt, *size, planes, matrix, rg, site, woven)
                        for box in boxes(*size):
                            want = expected(fmt, comps, sub, size, box, out_size, matrix, rg,
                                            site, woven)
                            for pre in pres:
                                got = pre.run(picture, box) * np.array(std) + np.array(mean)
                                diff = np.abs(got - want).max()
                                assert diff <= BOUND, (fmt, size, matrix, rg, site, woven,
                                                       pad, up, box, diff)
                                worst, cases = max(worst, diff), cases + 1
    print(f'NumPy {np.__version__}, double precision: {cases} comparisons over {len(FORMATS)} '
          f'formats, {len(MATRICES)} matrices, 2 ranges, {len(SITES)} chroma sites, fields, '
          f'{len(cpus())} CPU paths; '
          f'largest difference {worst:.2e} of 1')


if __name__ == '__main__':
    main()
