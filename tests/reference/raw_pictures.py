# SPDX-License-Identifier: MIT
"""Random pictures in every pixel format of the engine."""
import numpy as np

# Memory layout, written down independently of the engine: per format the subsampling and a
# function from component arrays (Y, U, V or R, G, B) to planes of rows of samples.
SUB = {'Y42B': (1, 0), 'YUY2': (1, 0), 'UYVY': (1, 0), 'Y444': (0, 0)}


def interleave(*parts):
    return np.stack(parts, -1).reshape(parts[0].shape[0], -1)


def packed422(y, u, v, order):
    y = np.pad(y, ((0, 0), (0, y.shape[1] % 2)))
    parts = {'y0': y[:, 0::2], 'y1': y[:, 1::2], 'u': u, 'v': v}
    return [interleave(*(parts[p] for p in order))]


def planes_of(fmt, c, rng):
    junk = rng.integers(0, 256, c[0].shape).astype(c[0].dtype)
    return {
        'I420': lambda: list(c), 'YV12': lambda: [c[0], c[2], c[1]],
        'NV12': lambda: [c[0], interleave(c[1], c[2])],
        'NV21': lambda: [c[0], interleave(c[2], c[1])],
        'Y42B': lambda: list(c), 'Y444': lambda: list(c),
        'YUY2': lambda: packed422(*c, ('y0', 'u', 'y1', 'v')),
        'UYVY': lambda: packed422(*c, ('u', 'y0', 'v', 'y1')),
        'RGB': lambda: [interleave(c[0], c[1], c[2])],
        'BGR': lambda: [interleave(c[2], c[1], c[0])],
        'RGBX': lambda: [interleave(c[0], c[1], c[2], junk)],
        'BGRX': lambda: [interleave(c[2], c[1], c[0], junk)],
        'XRGB': lambda: [interleave(junk, c[0], c[1], c[2])],
        'XBGR': lambda: [interleave(junk, c[2], c[1], c[0])],
        'GRAY8': lambda: [c[0]],
        'I420_10LE': lambda: list(c),
        'P010_10LE': lambda: [c[0] << 6, interleave(c[1] << 6, c[2] << 6)],
    }[fmt]()


def in_memory(plane, pad, bottom_up, rng):
    """Rows of bytes with `pad` bytes of junk behind each, upside down in memory if asked."""
    rows = np.ascontiguousarray(plane).view(np.uint8)
    big = rng.integers(0, 256, (rows.shape[0], rows.shape[1] + pad), np.uint8)
    if bottom_up:
        big[::-1, :rows.shape[1]] = rows
        return big[::-1]
    big[:, :rows.shape[1]] = rows
    return big


def components(fmt, width, height, rng):
    depth = 10 if '10' in fmt else 8
    yuv = fmt not in ('RGB', 'BGR', 'RGBX', 'BGRX', 'XRGB', 'XBGR', 'GRAY8')
    sub = SUB.get(fmt, (1, 1)) if yuv else (0, 0)
    cw, ch = -(-width // 2 ** sub[0]), -(-height // 2 ** sub[1])
    shapes = [(height, width), (ch, cw), (ch, cw)][:1 if fmt == 'GRAY8' else 3]
    dtype = np.uint16 if depth == 10 else np.uint8
    return [rng.integers(0, 2 ** depth, s).astype(dtype) for s in shapes], sub
