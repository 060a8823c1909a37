# SPDX-License-Identifier: MIT
"""Malformed HDF5 files: (case, expected code, bytes). None for a file that has to be read."""
import os
import struct
import tempfile

import h5py
import numpy as np

KERNEL = np.arange(3 * 3 * 3 * 8, dtype='<f4').reshape(3, 3, 3, 8)


def h5(build=None, layers=('conv2d_1',), weights=('conv2d_1/kernel:0',), **options):
    """A file with one layer; build(group) makes its dataset in another way."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'x.h5')
        with h5py.File(path, 'w', **options) as file:
            if layers is not None:
                file.attrs['layer_names'] = np.array([n.encode() for n in layers])
            group = file.create_group('conv2d_1')
            if weights is not None:
                group.attrs['weight_names'] = np.array([n.encode() for n in weights])
            inner = group.create_group('conv2d_1')
            if build:
                build(inner)
            else:
                inner.create_dataset('kernel:0', data=KERNEL)
        with open(path, 'rb') as file:
            return file.read()


def dataset(*args, **options):
    return lambda group: group.create_dataset('kernel:0', *args, **options)


def virtual(group):
    layout = h5py.VirtualLayout(shape=(4,), dtype='<f4')
    layout[:] = h5py.VirtualSource('/etc/passwd', 'x', shape=(4,))
    group.create_virtual_dataset('kernel:0', layout)


def keras3(group):
    group.create_dataset('kernel:0', data=KERNEL)
    group.file.create_dataset('layers/conv2d/vars/0', data=KERNEL)


def linked(link):
    def build(group):
        group['kernel:0'] = link
    return build


def variable_names(group):
    group.create_dataset('kernel:0', data=KERNEL)
    group.parent.attrs['weight_names'] = np.array(['conv2d_1/kernel:0'], dtype=h5py.string_dtype())


def cycle(group):
    group['again'] = group
    group.create_dataset('kernel:0', data=KERNEL)


def superblock_cases(good):
    def patched(offset, data):
        return good[:offset] + data + good[offset + len(data):]
    yield 'M70 short', 'H5_SIGNATURE', good[:64]
    yield 'M70 later', 'FORMAT_UNKNOWN', b'\0' * 512 + good
    yield 'M70 version', 'H5_SUPERBLOCK', patched(8, b'\x04')
    yield 'M70 version 1', 'H5_SUPERBLOCK', patched(8, b'\x01')
    yield 'M70 offsets', 'H5_SUPERBLOCK', patched(13, b'\x04')
    yield 'M70 lengths', 'H5_SUPERBLOCK', patched(14, b'\x02')
    yield 'M70 end', 'H5_SUPERBLOCK', patched(40, struct.pack('<Q', 2 * len(good)))
    yield 'M06 appended', 'H5_SUPERBLOCK', good + b'\0'
    yield 'M04 truncated', 'H5_SUPERBLOCK', good[:-100]
    yield 'M71 root beyond', 'H5_DAMAGED', patched(64, struct.pack('<Q', 2**40))
    at = good.index(b'TREE')
    yield 'M71 B-tree loop', 'H5_DAMAGED', patched(at + 5, b'\x07')
    at = good.index(b'HEAP')
    yield 'M71 heap beyond', 'H5_DAMAGED', patched(at + 24, struct.pack('<Q', 2**40))


def layout_cases():
    f8 = {'dtype': '<f8'}
    yield 'good', None, h5()
    yield 'good, double', None, h5(dataset(data=KERNEL.astype('<f8')))
    yield 'good, half', None, h5(dataset(data=KERNEL.astype('<f2')))
    yield 'good, big endian', None, h5(dataset(data=KERNEL.astype('>f4')))
    yield 'good, filters', None, h5(dataset(data=KERNEL, chunks=(3, 3, 3, 4), compression='gzip',
                                            shuffle=True, fletcher32=True))
    yield 'good, new format', None, h5(libver='latest')
    yield 'good, variable strings', None, h5(variable_names)
    yield 'good, cycle beside', None, h5(cycle)
    yield 'M73 external storage', 'H5_EXTERNAL', h5(
        dataset((4,), '<f4', external=[('/etc/passwd', 0, 16)]))
    yield 'M73 virtual', 'H5_EXTERNAL', h5(virtual)
    yield 'M77 weights of Keras 3', 'KERAS_LAYOUT', h5(keras3, layers=None)
    yield 'M73 external link', 'H5_LINK', h5(linked(h5py.ExternalLink('/etc/passwd', '/x')))
    yield 'M73 soft link', 'H5_LINK', h5(linked(h5py.SoftLink('/conv2d_1')))
    yield 'M73 references', 'H5_REFERENCE', h5(dataset((2,), h5py.ref_dtype))
    yield 'M73 region references', 'H5_REFERENCE', h5(dataset((2,), h5py.regionref_dtype))
    yield 'M74 petabyte', 'H5_SIZE', h5(dataset((2**20, 2**20, 2**10), '<f4', chunks=(1, 1, 64)))
    yield 'M74 wraps', 'H5_SIZE', h5(dataset((2**31, 2**31, 2**31), '<f4', chunks=(1, 1, 64)))
    yield 'M74 chunk', 'H5_SIZE', h5(dataset((4, 4), '<f4', chunks=(2**14, 2**14),
                                             maxshape=(None, None)))
    yield 'M75 lzf', 'H5_FILTER', h5(dataset(data=KERNEL, compression='lzf'))
    yield 'M75 scale-offset', 'H5_FILTER', h5(dataset(data=KERNEL, scaleoffset=2))
    good = h5(dataset(data=KERNEL, chunks=(3, 3, 3, 8), fletcher32=True))
    at = good.index(KERNEL.tobytes())
    yield 'M75 Fletcher', 'H5_DAMAGED', good[:at] + b'\xff' + good[at + 1:]
    yield 'M76 integers', 'H5_TYPE', h5(dataset((2,), '<i4'))
    yield 'M76 compound', 'H5_TYPE', h5(dataset((2,), np.dtype([('a', '<f4')])))
    yield 'M76 variable', 'H5_TYPE', h5(dataset((2,), h5py.vlen_dtype(np.dtype('<f4'))))
    yield 'M76 enum', 'H5_TYPE', h5(dataset((2,), h5py.enum_dtype({'A': 1})))
    yield 'M76 opaque', 'H5_TYPE', h5(dataset((2,), np.dtype('V4')))
    yield 'M76 complex', 'H5_TYPE', h5(dataset((2,), '<c8'))
    yield 'M19 empty', 'TENSOR_SHAPE', h5(dataset((0, 3), **f8))
    yield 'M19 rank 9', 'TENSOR_SHAPE', h5(dataset((1,) * 9, **f8))
    yield 'M77 no layer_names', 'KERAS_LAYOUT', h5(layers=None)
    yield 'M77 no weight_names', 'KERAS_LAYOUT', h5(weights=None)
    yield 'M77 layer missing', 'H5_DAMAGED', h5(layers=('conv2d_2',))
    yield 'M77 weight missing', 'H5_DAMAGED', h5(weights=('conv2d_1/bias:0',))
    yield 'M77 weight is a group', 'KERAS_LAYOUT', h5(weights=('conv2d_1',))
    yield 'M77 layer is a weight', 'KERAS_LAYOUT', h5(layers=('conv2d_1/conv2d_1/kernel:0',))
    yield 'M77 weight twice', 'TENSOR_DUPLICATE', h5(weights=('conv2d_1/kernel:0',) * 2)
    yield 'M77 deep path', 'H5_DEPTH', h5(cycle, layers=('conv2d_1/conv2d_1' + '/again' * 9,))
    yield 'M77 empty name', 'H5_DEPTH', h5(layers=('conv2d_1//x',))
    yield 'M77 long name', 'KERAS_LAYOUT', h5(layers=('a' * 300,))
    yield 'M77 5000 names', 'KERAS_LAYOUT', h5(layers=[f'layer{i}' for i in range(5000)])


def changed(good, n):
    """The file with one to three bytes changed, n times; what is read of it is not known."""
    random = np.random.default_rng(5)
    for _ in range(n):
        data = bytearray(good)
        for at in random.integers(0, len(data), random.integers(1, 4)):
            data[at] ^= random.integers(1, 256)
        yield bytes(data)


def random_files():
    yield from changed(h5(), 150)
    yield from changed(h5(libver='latest'), 50)
    yield from changed(h5(dataset(data=KERNEL, chunks=(3, 3, 3, 4), compression='gzip',
                                  shuffle=True, fletcher32=True)), 50)


def all_cases():
    yield from layout_cases()
    yield from superblock_cases(h5())
