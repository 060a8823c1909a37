# SPDX-License-Identifier: MIT
"""ONNX files from their fields, right or wrong: the wire format of protocol buffers, no more."""
import struct

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32, UINT64, COMPLEX64 = \
    1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14


def varint(value):
    value &= 2**64 - 1
    out = b''
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def single(field, value):  # a float
    return varint(field << 3 | 5) + struct.pack('<f', value)


def tensor(name='w', dims=(2, 3), kind=FLOAT, data=None, values=None):
    """values: the field with the values, instead of data as raw_data."""
    if data is None and values is None:
        count = 1
        for n in dims:
            count *= n
        data = bytes(4 * count)
    return (b''.join(number(1, n) for n in dims) + number(2, kind) + text(8, name) +
            (text(9, data) if values is None else values))


def ints(name, *values):
    return text(1, name) + b''.join(number(8, n) for n in values) + number(20, 7)


def integer(name, value):
    return text(1, name) + number(3, value) + number(20, 2)


def node(op='Conv', inputs=('input', 'w'), outputs=('y',), attributes=(), more=b''):
    return (b''.join(text(1, n) for n in inputs) + b''.join(text(2, n) for n in outputs) +
            text(4, op) + b''.join(text(5, a) for a in attributes) + more)


def value(name, dims=(), kind=FLOAT):
    shape = b''.join(text(1, number(1, n) if n is not None else text(2, 'batch')) for n in dims)
    return text(1, name) + text(2, text(1, number(1, kind) + text(2, shape)))


def graph(nodes=(node(),), tensors=(tensor(),), more=b''):
    return (b''.join(text(1, n) for n in nodes) + text(2, 'g') +
            b''.join(text(5, t) for t in tensors) + more +
            text(11, value('input', (None, 3, 8, 8))) + text(12, value('y')))


def head(ir=8):
    return number(1, ir) + text(2, 'test')


def model(body=None, ir=8, more=b''):
    """The graph comes last, so that a cut anywhere in it shows."""
    return head(ir) + text(8, number(2, 17)) + more + text(7, graph() if body is None else body)
