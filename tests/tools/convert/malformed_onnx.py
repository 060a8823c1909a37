# SPDX-License-Identifier: MIT
"""Malformed ONNX files: (case, expected code, bytes). None for a file that has to be read."""
import random

from onnxfile import (BOOL, COMPLEX64, DOUBLE, FLOAT, FLOAT16, INT32, INT64, INT8, STRING, UINT32,
                      UINT64, graph, head, integer, ints, model, node, number, single, tensor, text,
                      value, varint)


def tensors(*items):
    return model(graph(tensors=items))


def nodes(*items):
    return model(graph(nodes=items))


def attribute(body):
    return nodes(node(attributes=[body]))


def truncated():
    whole = model()
    boundaries = len(head()), len(head() + text(8, number(2, 17)))
    for size in range(8, len(whole)):
        yield (f'M80 cut at {size}', 'ONNX_NO_GRAPH' if size in boundaries else 'ONNX_TRUNCATED',
               whole[:size])


def wire():
    yield 'M80 varint', 'ONNX_VARINT', model(more=varint(5 << 3) + b'\xff' * 9 + b'\x02')
    yield 'M80 long varint', 'ONNX_VARINT', model(more=varint(5 << 3) + b'\x80' * 10 + b'\x01')
    yield 'M80 length', 'ONNX_TRUNCATED', model(more=varint(6 << 3 | 2) + varint(2**40))
    yield 'M80 length of 64 bits', 'ONNX_TRUNCATED', model(more=varint(6 << 3 | 2) + varint(-1))
    yield 'M80 inside', 'ONNX_TRUNCATED', tensors(tensor() + varint(12 << 3 | 2) + varint(200))
    yield 'M81 group', 'ONNX_WIRE', model(more=varint(6 << 3 | 3))
    yield 'M81 end of a group', 'ONNX_WIRE', model(more=varint(6 << 3 | 4))
    yield 'M81 type 7', 'ONNX_WIRE', model(more=varint(6 << 3 | 7))
    yield 'M81 field 0', 'ONNX_WIRE', model(more=number(0, 1))
    yield 'M81 huge field', 'ONNX_WIRE', model(more=varint(2**40) + b'\0')
    yield 'M81 graph is a number', 'ONNX_FIELD', head() + number(7, 1) + bytes(8)
    yield 'M81 name is a number', 'ONNX_FIELD', tensors(number(1, 1) + number(8, 1) + number(2, 1))
    yield 'M81 type is a text', 'ONNX_FIELD', tensors(text(2, 'float') + text(8, 'w'))
    yield 'M81 unpacked floats', 'ONNX_FIELD', tensors(tensor(dims=(1,), values=single(4, 1)))
    yield 'M81 unknown field of a tensor', 'ONNX_FIELD', tensors(tensor() + number(40, 1))
    yield 'M81 stated type', 'ONNX_FIELD', attribute(text(1, 'group') + number(3, 1) + number(20, 7))
    yield 'M81 stated tensor', 'ONNX_FIELD', attribute(text(1, 'a') + number(3, 1) + number(20, 4))
    yield 'M82 two graphs', 'ONNX_TWICE', model(more=text(7, graph()))
    yield 'M82 two names', 'ONNX_TWICE', tensors(tensor() + text(8, 'v'))
    yield 'M82 two types', 'ONNX_TWICE', tensors(tensor() + number(2, FLOAT))
    yield 'M82 two data', 'ONNX_TWICE', tensors(tensor() + text(9, bytes(24)))
    yield 'M82 two values', 'ONNX_TWICE', attribute(text(1, 'a') + number(3, 1) + single(2, 1))
    yield 'M82 two operators', 'ONNX_TWICE', nodes(node(more=text(4, 'Relu')))
    yield 'M83 version 2', 'FORMAT_UNKNOWN', model(ir=2)
    yield 'M83 version 31', 'ONNX_VERSION', model(ir=31)
    yield 'M83 no graph', 'ONNX_NO_GRAPH', head() + bytes(0)
    yield 'M84 name', 'ONNX_TEXT', tensors(tensor(name=b'\xff'))
    yield 'M84 NUL', 'ONNX_TEXT', tensors(tensor(name=b'w\0x'))
    yield 'M84 operator', 'ONNX_TEXT', nodes(node(op=b'\xc0\x80'))
    yield 'M84 metadata', 'ONNX_TEXT', model(more=text(14, text(1, 'k') + text(2, b'\xed\xa0\x80')))


def graphs():
    yield 'M85 nodes', 'ONNX_LIMIT', nodes(*[node(outputs=(f'{i}',)) for i in range(65537)])
    yield 'M85 attributes', 'ONNX_LIMIT', nodes(node(attributes=[integer(f'{i}', 1)
                                                                 for i in range(65)]))
    yield 'M85 integers', 'ONNX_LIMIT', attribute(text(1, 'a') + text(8, bytes(2**20 + 1)))
    yield 'M85 metadata', 'ONNX_LIMIT', model(more=b''.join(text(14, text(1, f'{i}'))
                                                            for i in range(4097)))
    yield 'M86 no operator', 'ONNX_NODE', nodes(text(1, 'a') + text(2, 'y'))
    yield 'M86 no output', 'ONNX_NODE', nodes(node(outputs=()))
    yield 'M87 two initializers', 'ONNX_DUPLICATE', tensors(tensor(), tensor())
    yield 'M87 two outputs', 'ONNX_DUPLICATE', nodes(node(), node())
    yield 'M87 output and initializer', 'ONNX_DUPLICATE', nodes(node(outputs=('w',)))
    yield 'M87 two attributes', 'ONNX_DUPLICATE', nodes(node(attributes=[integer('group', 1),
                                                                         integer('group', 2)]))
    yield 'M87 two entries', 'ONNX_DUPLICATE', model(more=text(14, text(1, 'k')) * 2)
    yield 'M88 subgraph', 'ONNX_SUBGRAPH', attribute(text(1, 'body') + text(6, graph()))
    deep = graph()
    for _ in range(1000):
        deep = graph(nodes=[node('If', attributes=[text(1, 'then_branch') + text(6, deep)])])
    yield 'M88 nested deep', 'ONNX_SUBGRAPH', model(deep)
    yield 'M88 subgraphs', 'ONNX_SUBGRAPH', attribute(text(1, 'bodies') + text(11, graph()))
    yield 'M88 training', 'ONNX_SUBGRAPH', model(more=text(20, b''))
    yield 'M88 function', 'ONNX_FUNCTION', model(more=text(25, text(1, 'f')))
    yield 'M88 attribute of a function', 'ONNX_FUNCTION', attribute(text(1, 'a') + text(21, 'b'))
    yield 'M89 sparse', 'ONNX_SPARSE', model(graph(more=text(15, text(1, tensor()))))
    yield 'M89 sparse attribute', 'ONNX_SPARSE', attribute(text(1, 'v') + text(22, b''))
    yield 'M89 segment', 'ONNX_SEGMENT', tensors(tensor() + text(3, number(1, 0) + number(2, 1)))
    yield 'M90 external', 'ONNX_EXTERNAL', tensors(
        tensor(values=text(13, text(1, 'location') + text(2, '/etc/passwd')) + number(14, 1)))
    yield 'M90 location', 'ONNX_EXTERNAL', tensors(tensor(values=number(14, 1)))
    yield 'M90 entry only', 'ONNX_EXTERNAL', tensors(tensor() + text(13, b''))
    yield 'M19 nine dimensions of an input', 'TENSOR_SHAPE', model(
        graph(more=text(11, value('z', (1,) * 9))))


def values():
    for kind, field in ((STRING, 6), (UINT64, 11)):
        yield f'M91 type {kind}', 'ONNX_DTYPE', tensors(tensor(kind=kind, values=text(field, b'1')))
    for kind in (0, 4, UINT32, COMPLEX64, 15, 17, 99, -1):
        yield f'M91 type {kind}', 'ONNX_DTYPE', tensors(tensor(kind=kind))
    yield 'M92 too few bytes', 'ONNX_DATA', tensors(tensor(data=bytes(23)))
    yield 'M92 too many bytes', 'ONNX_DATA', tensors(tensor(data=bytes(25)))
    yield 'M92 no bytes', 'ONNX_DATA', tensors(tensor(values=b''))
    yield 'M92 two places', 'ONNX_DATA', tensors(tensor() + text(4, bytes(24)))
    yield 'M92 other field', 'ONNX_DATA', tensors(tensor(values=text(10, bytes(24))))
    yield 'M92 half in integers', 'ONNX_DATA', tensors(tensor(dims=(2,), kind=FLOAT16,
                                                              values=text(5, bytes(2))))
    yield 'M92 few integers', 'ONNX_DATA', tensors(tensor(), tensor('i', (3,), INT64,
                                                                    values=text(7, bytes(2))))
    yield 'M80 integer', 'ONNX_DATA', tensors(tensor(), tensor('i', (1,), INT64,
                                                               values=text(7, b'\x80')))
    yield 'M80 cut integer', 'ONNX_VARINT', tensors(
        tensor(), tensor('i', (1,), INT64, values=text(7, b'\xff' * 10 + b'\x01')))
    yield 'M92 huge', 'ONNX_DATA', tensors(tensor(dims=(2**31 - 1, 2**31 - 1), data=bytes(8)))
    yield 'M92 empty with bytes', 'ONNX_DATA', tensors(tensor(dims=(0,), data=bytes(4)))
    yield 'M20 product wraps', 'TENSOR_SHAPE', tensors(tensor(dims=(2**31 - 1,) * 4, data=bytes(8)))
    yield 'M20 dimension', 'TENSOR_SHAPE', tensors(tensor(dims=(2**31,), data=bytes(8)))
    yield 'M19 rank', 'TENSOR_SHAPE', tensors(tensor(dims=(1,) * 9))
    yield 'M66 negative', 'TENSOR_NEGATIVE', tensors(tensor(dims=(-1,), data=bytes(4)))
    yield 'M27 no name', 'TENSOR_NAME', tensors(tensor(name=''))
    yield 'M29 long name', 'TENSOR_NAME', tensors(tensor(name='w' * 512))


def right():
    yield 'right', None, model()
    yield 'packed dimensions', None, tensors(text(1, b'\2\3') + number(2, FLOAT) + text(8, 'w') +
                                             text(4, bytes(24)))
    yield 'doubles', None, tensors(tensor(dims=(2,), kind=DOUBLE, values=text(10, bytes(16))))
    yield 'integers beside', None, tensors(
        tensor(), tensor('a', (2,), INT64, values=text(7, varint(-1) + varint(7))),
        tensor('b', (3,), INT32, values=text(5, varint(-1) + b'\1\2')),
        tensor('c', (2,), BOOL, data=b'\0\1'), tensor('d', (2,), INT8, data=b'\0\1'))
    yield 'halves', None, tensors(tensor(kind=FLOAT16, data=bytes(12)))
    yield 'empty beside', None, tensors(tensor(), tensor('roi', (0,), data=b''))
    yield 'scalar', None, tensors(tensor(dims=(), data=bytes(4)))
    yield 'attributes', None, nodes(node(attributes=[
        ints('pads', 0, 0, 1, 1), integer('group', -1), text(1, 'x') + text(8, b'\1\2'),
        text(1, 'mode') + text(4, 'nearest'), text(1, 'alpha') + single(2, 0.5),
        text(1, 'value') + text(5, tensor(name='')), text(1, 'zero') + number(20, 2)]))
    yield 'unknown fields', None, model(graph(more=text(99, b'x')), more=number(77, 1))
    yield 'metadata', None, model(more=text(14, text(1, 'k') + text(2, 'v')))


def all_cases():
    for part in (right, truncated, wire, graphs, values):
        yield from part()


def random_files():
    """A right file with a few bytes changed."""
    draw = random.Random(1)
    whole = next(data for name, _, data in right() if name == 'attributes')
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        yield bytes(data)
