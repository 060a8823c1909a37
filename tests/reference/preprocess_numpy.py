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
    depth = 10 if '10' in fmt else 8
    planes = []
    for i, comp in enumerate(comps):
        hs, vs = sub if i else (0, 0)
        x, w = box[0] / 2 ** hs + (.25 - across_site / 2 if hs else 0), box[2] / 2 ** hs
        y, h = box[1] / 2 ** vs + (.25 - down_site / 2 if vs else 0), box[3] / 2 ** vs
        across = filter_matrix(x, w, comp.shape[1], out_size[0])
        down = filter_matrix(y, h, comp.shape[0], out_size[1])
        planes.append(down @ comp.astype(np.float64) @ across.T)
    if fmt in ('RGB', 'BGR', 'RGBX', 'BGRX', 'XRGB', 'XBGR'):
        return np.stack(planes, -1) / 255
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
