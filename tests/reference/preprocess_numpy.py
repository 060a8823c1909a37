# SPDX-License-Identifier: MIT
"""From a region of a raw picture to RGB at the network's size, in double precision with dense
filter matrices: what the engine's preprocessing is compared with. Written from Pillow's definition
of BILINEAR and the colour standards, not from the C code."""
import numpy as np

KR_KB = {'bt601': (.299, .114), 'bt709': (.2126, .0722), 'bt2020': (.2627, .0593)}


def filter_matrix(start, length, size, out):
    """Dense [out, size] weights: triangle of half-width max(scale, 1) around each output centre,
    over samples from the picture or the box, whichever reaches farther; border repeated."""
    low, high = min(0, int(np.floor(start))), max(size, int(np.ceil(start + length)))
    scale = length / out
    half = max(scale, 1.)
    centre = start + (np.arange(out) + .5) * scale
    at = np.arange(low, high)
    weight = np.maximum(0, 1 - np.abs(at[None] + .5 - centre[:, None]) / half)
    # Pillow's tap range rounds the ends of the support to sample borders.
    first = np.floor(centre - half + .5)[:, None]
    last = np.floor(centre + half + .5)[:, None]
    weight *= (at >= first) & (at < last)
    weight /= weight.sum(1, keepdims=True)
    full = np.zeros((out, size))
    np.add.at(full.T, np.clip(at, 0, size - 1), weight.T)
    return full


# How many luma samples the first chroma sample lies right of and below the first luma sample.
SITES = {'left': (0, .5), 'center': (.5, .5), 'topleft': (0, 0), 'top': (.5, 0)}


def expected(fmt, comps, sub, size, box, out_size, matrix, rg, site='left', interlaced=False):
    across_site, down_site = SITES[site]
    if interlaced and size[1] > 1:
        # The top field alone. Its chroma belongs to the frame's: in the field's lines half as far.
        comps = [comp[::2] for comp in comps]
        box = (box[0], box[1] / 2, box[2], box[3] / 2)
        down_site /= 2
    planes = []
    for i, comp in enumerate(comps):
        hs, vs = sub if i else (0, 0)
        x, w = box[0] / 2 ** hs + (.25 - across_site / 2 if hs else 0), box[2] / 2 ** hs
        y, h = box[1] / 2 ** vs + (.25 - down_site / 2 if vs else 0), box[3] / 2 ** vs
        across = filter_matrix(x, w, comp.shape[1], out_size[0])
        down = filter_matrix(y, h, comp.shape[0], out_size[1])
        planes.append(down @ comp.astype(np.float64) @ across.T)
    return to_rgb(fmt, planes, matrix, rg)


def to_rgb(fmt, planes, matrix, rg):
    if fmt in ('RGB', 'BGR', 'RGBX', 'BGRX', 'XRGB', 'XBGR'):
        return np.stack(planes, -1) / 255
    depth = 10 if '10' in fmt else 8
    step, peak = 2 ** (depth - 8), 2 ** depth - 1
    luma = (planes[0] - 16 * step) / (219 * step) if rg == 'limited' else planes[0] / peak
    if fmt == 'GRAY8':
        return np.clip(np.stack([luma] * 3, -1), 0, 1)
    span = 224 * step if rg == 'limited' else peak
    pb, pr = ((p - 128 * step) / span for p in planes[1:])
    kr, kb = KR_KB[matrix]
    red, blue = luma + 2 * (1 - kr) * pr, luma + 2 * (1 - kb) * pb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], -1), 0, 1)


def triangle_weights(centre, reach, size):
    """[places, size]: of the samples of an axis around each place, those beyond its ends added to
    the last ones."""
    low, high = int(np.floor(centre.min() - reach)) - 1, int(np.ceil(centre.max() + reach)) + 1
    at = np.arange(min(low, 0), max(high, size))
    weight = np.maximum(0, 1 - np.abs(at + .5 - centre[:, None]) / reach)
    weight /= weight.sum(1, keepdims=True)
    full = weight[:, -at[0]:size - at[0]].copy()
    full[:, 0] += weight[:, :-at[0]].sum(1)
    full[:, -1] += weight[:, size - at[0]:].sum(1)
    return full


def expected_turned(fmt, comps, sub, box, angle, out_size, matrix='bt601', rg='limited', site='left',
                    interlaced=False, pixel_aspect=1.):
    """A box turned clockwise about its centre: the triangle filter at the very centre of each output
    pixel, in the picture, with no picture in between. It reaches one output pixel to either side,
    along the axes of the picture."""
    pixel_w, pixel_h = max(pixel_aspect, 1), max(1 / pixel_aspect, 1)
    wide, high = box[2] * pixel_w / out_size[0], box[3] * pixel_h / out_size[1]
    across = (np.arange(out_size[0])[None] + .5 - out_size[0] / 2) * wide
    down = (np.arange(out_size[1])[:, None] + .5 - out_size[1] / 2) * high
    c, s = np.cos(angle), np.sin(angle)
    x = (box[0] + box[2] / 2 + (across * c - down * s) / pixel_w).ravel()
    y = (box[1] + box[3] / 2 + (across * s + down * c) / pixel_h).ravel()
    reach_x, reach_y = np.hypot(wide * c, high * s) / pixel_w, np.hypot(wide * s, high * c) / pixel_h
    across_site, down_site = SITES[site]
    if interlaced:
        comps, y, reach_y, down_site = [comp[::2] for comp in comps], y / 2, reach_y / 2, down_site / 2
    planes = []
    for i, comp in enumerate(comps):
        hs, vs = sub if i else (0, 0)
        wx = triangle_weights(x / 2 ** hs + (.25 - across_site / 2 if hs else 0),
                              max(reach_x / 2 ** hs, 1), comp.shape[1])
        wy = triangle_weights(y / 2 ** vs + (.25 - down_site / 2 if vs else 0),
                              max(reach_y / 2 ** vs, 1), comp.shape[0])
        planes.append(((wy @ comp.astype(np.float64)) * wx).sum(1).reshape(out_size[::-1]))
    return to_rgb(fmt, planes, matrix, rg)
