# SPDX-License-Identifier: MIT
"""Meso-4 and MesoInception-4 in NumPy, straight from Keras's HDF5 weight files by Keras's layer
names: what the import and the engine are compared with. Written from the paper and the published
files, not from the C code."""
import h5py
import numpy as np


def conv_relu(x, kernel, bias, dilation=1):
    """x [H, W, in], kernel [kh, kw, in, out], "same" padding, stride 1."""
    kh, kw, _, _ = kernel.shape
    ph, pw = dilation * (kh - 1) // 2, dilation * (kw - 1) // 2
    padded = np.pad(x, ((ph, ph), (pw, pw), (0, 0)))
    h, w, _ = x.shape
    y = np.zeros((h, w, kernel.shape[3]))
    for i in range(kh):
        for j in range(kw):
            y += padded[i * dilation:i * dilation + h, j * dilation:j * dilation + w] @ kernel[i, j]
    return np.maximum(y + bias, 0)


def batch_norm(x, p):
    return (x - p['moving_mean']) / np.sqrt(p['moving_variance'] + 1e-3) * p['gamma'] + p['beta']


def max_pool(x, n):
    h, w, c = x.shape
    return x.reshape(h // n, n, w // n, n, c).max(axis=(1, 3))


class Layers:
    """The weights of a file by kind, in the order of Keras's numbers."""

    def __init__(self, path):
        kinds = {'conv2d': [], 'batch_normalization': [], 'dense': []}
        with h5py.File(path, 'r') as file:
            for layer in file:
                kind, _, number = layer.rpartition('_')
                if kind in kinds:
                    weights = {k.split(':')[0]: v[()].astype(np.float64)
                               for k, v in file[layer][layer].items()}
                    kinds[kind].append((int(number), weights))
        for kind in kinds.values():
            kind.sort(key=lambda item: item[0])
        self.conv, self.bn, self.dense = (iter([w for _, w in k]) for k in kinds.values())
        self.inception = len(kinds['conv2d']) > 4

    def next_conv(self, x, dilation=1):
        p = next(self.conv)
        return conv_relu(x, p['kernel'], p['bias'], dilation)

    def next_inception(self, x):
        branches = [self.next_conv(x)]
        for dilation in (1, 2, 3):
            branches.append(self.next_conv(self.next_conv(x), dilation))
        return np.concatenate(branches, axis=2)


def logit(path, x):
    """x [256, 256, 3], RGB in 0..1; the value before the sigmoid, whose result is P(real)."""
    layers = Layers(path)
    stage = layers.next_inception if layers.inception else layers.next_conv
    for i, pool in enumerate((2, 2, 2, 4)):
        x = stage(x) if i < 2 else layers.next_conv(x)
        x = max_pool(batch_norm(x, next(layers.bn)), pool)
    p = next(layers.dense)
    x = x.reshape(-1) @ p['kernel'] + p['bias']
    x = np.where(x > 0, x, 0.1 * x)
    p = next(layers.dense)
    return float((x @ p['kernel'] + p['bias'])[0])


def p_real(path, x):
    return 1 / (1 + np.exp(-logit(path, x)))
