# SPDX-License-Identifier: MIT
"""Malformed PyTorch files: (case, expected code, bytes). None for a file that has to be read."""
import struct

from pthfile import (EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE, Entry, FLOATS, MARK, ORDERED_DICT, PROTO,
                     REBUILD, STOP, archive, entries, integer, legacy, pickle, pth, state_dict,
                     storage, tensor, text, tuple_of, zip64)


def zip_cases():
    good = archive(entries())
    first = entries()[0]
    e = entries
    with_descriptor = struct.pack('<IIII', 0x08074b50, first.f['crc'], len(first.data),
                                  len(first.data))
    late = {'flags': 8, 'local_crc': 0, 'local_size': 0, 'local_packed': 0}
    yield 'good', None, good
    yield 'good, big top name', None, archive(e(top='model_best_accuracy'))
    yield 'good, descriptor', None, archive(e(descriptor=with_descriptor, **late))
    yield 'good, zip64 end', None, zip64()
    yield 'good, byteorder', None, archive(e() + [Entry('x/byteorder', b'little')])
    yield 'good, padding', None, archive(e(extra=b'FB\x04\x00ZZZZ'))
    yield 'M04 truncated', 'ZIP_NO_END', good[:-7]
    yield 'M06 appended', 'ZIP_NO_END', good + b'\0\0\0'
    yield 'M42 no end', 'ZIP_NO_END', good[:-22] + b'\0' * 22
    yield 'M42 two ends', 'ZIP_END_TWICE', good + good[-22:]
    yield 'M42 comment', 'ZIP_COMMENT', archive(e(), comment=b'hello')
    yield 'M42 entry comment', 'ZIP_COMMENT', archive(e(comment=b'x'))
    listed = e()
    listed[0].f['before'] = b'PK\x03\x04junk'
    yield 'M42 bytes before', 'ZIP_STRAY_BYTES', archive(listed)
    yield 'M42 bytes after data', 'ZIP_STRAY_BYTES', archive(e(), gap=b'\0' * 5)
    yield 'M42 bytes after directory', 'ZIP_DIRECTORY', archive(e(), between=b'\0' * 5)
    yield 'M42 no descriptor', 'ZIP_STRAY_BYTES', archive(e(**late))
    yield 'M43 start out of file', 'ZIP_DIRECTORY', archive(e(), start=2**31)
    yield 'M43 size out of file', 'ZIP_DIRECTORY', archive(e(), size=2**31)
    yield 'M43 overlaps data', 'ZIP_DIRECTORY', archive(e(), start=10)
    yield 'M43 count too large', 'ZIP_COUNT', archive(e(), n=4)
    yield 'M43 count too small', 'ZIP_COUNT', archive(e(), n=2)
    yield 'M43 count 0', 'ZIP_COUNT', archive(e(), n=0)
    yield 'M43 count 65000', 'ZIP_COUNT', archive(e(), n=65000)
    yield 'M43 entry beyond', 'ZIP_DIRECTORY', archive(e(offset=2**31))
    yield 'M44 locator elsewhere', 'ZIP64', zip64(at=0)
    yield 'M44 record length', 'ZIP64', zip64(length=2**63)
    yield 'M44 other count', 'ZIP_DISK', zip64(n=7)
    yield 'M44 disk', 'ZIP_DISK', zip64(disk=1)
    yield 'M44 no record', 'ZIP64', archive(e(), n=0xffff)
    yield 'M44 split', 'ZIP_DISK', archive(e(), disk=1)
    yield 'M44 entry on disk 1', 'ZIP_DISK', archive(e(disk=1))
    yield 'M44 zip64 block missing', 'ZIP64', archive(e(central_packed=0xffffffff))
    yield 'M44 zip64 block unneeded', 'ZIP64', archive(e(central_extra=b'\1\0\x08\0' + b'\0' * 8))
    yield 'M45 duplicate', 'ZIP_DUPLICATE', archive(e() + [Entry('x/data.pkl', pickle())])
    yield 'M45 case', 'ZIP_CASE', archive(e() + [Entry('x/DATA.PKL', pickle())])
    yield 'M46 name', 'ZIP_LOCAL_DIFFERS', archive(e(local_name=b'x/data.pkx'))
    yield 'M46 method', 'ZIP_LOCAL_DIFFERS', archive(e(local_method=8))
    yield 'M46 size', 'ZIP_LOCAL_DIFFERS', archive(e(local_size=1))
    yield 'M46 crc', 'ZIP_LOCAL_DIFFERS', archive(e(local_crc=1))
    yield 'M46 flags', 'ZIP_LOCAL_DIFFERS', archive(e(local_flags=2048))
    yield 'M46 extra', 'ZIP_EXTRA', archive(e(extra=b'FB\xff\xffZZ'))
    yield 'M46 second name', 'ZIP_EXTRA', archive(e(central_extra=b'\x75\x70\x05\0\1abcd'))
    for bit in [0, 1, 2, 4, 5, 6, 13, 15]:
        yield f'M47 flag bit {bit}', 'ZIP_FLAGS', archive(e(flags=1 << bit))
    for method in (1, 8, 9, 12, 14, 93, 99):
        yield f'M48 method {method}', 'ZIP_METHOD', archive(e(method=method))
    yield 'M48 packed size', 'ZIP_METHOD', archive(e(packed=5))
    yield 'M48 version', 'ZIP_METHOD', archive(e(version=51))
    yield 'M49 crc', 'ZIP_CRC', archive(e(crc=0x12345678))
    for name in ('/data.pkl', 'x/../data.pkl', 'x\\data.pkl', 'x//data.pkl', './data.pkl',
                 'c:/data.pkl', '', b'x/\xff.pkl', b'x/a\x00b', b'x/a\x1bb', 'x/' + 600 * 'a'):
        yield f'M50 path {name!r:.20}', 'ZIP_PATH', archive(e() + [Entry(name, b'')])
    yield 'M50 link', 'ZIP_SYMLINK', archive(e() + [Entry('x/data/9', b'/etc', mode=0o120777)])
    yield 'M50 folder', 'ZIP_SYMLINK', archive(e() + [Entry('x/data/', b'')])
    listed = e()
    listed[2].f['offset'] = 0
    listed[2].f['local_name'] = b'x/version'
    yield 'M51 same header', 'ZIP_LOCAL_DIFFERS', archive(listed)
    big = Entry('x/data/0', FLOATS, size=40, packed=40, crc=1)
    yield 'M51 overlap', 'ZIP_OVERLAP', archive([e()[0], big, e()[2]])
    yield 'M51 beyond', 'ZIP_TRUNCATED', archive(
        [e()[0], Entry('x/data/0', FLOATS, size=200, packed=200), e()[2]])


def container_cases():
    e = entries
    yield 'M52 no pickle', 'PTH_NO_PICKLE', archive(e()[1:])
    yield 'M52 no top folder', 'PTH_TOP_FOLDERS', archive([Entry('data.pkl', pickle())])
    yield 'M52 two tops', 'PTH_TOP_FOLDERS', archive(e() + [Entry('y/version', b'3')])
    yield 'M53 byteorder', 'PTH_BYTEORDER', archive(e() + [Entry('x/byteorder', b'middle')])
    yield 'M53 long byteorder', 'PTH_BYTEORDER', archive(
        e() + [Entry('x/byteorder', b'little' * 200000)])
    yield 'M53 big endian', None, archive(
        e(records=(('0', struct.pack('>6f', 1, 2, 3, 4, 5, 6)),)) + [Entry('x/byteorder', b'big')])
    yield 'M54 constants', 'PTH_TORCHSCRIPT', archive(e() + [Entry('x/constants.pkl', b'')])
    yield 'M54 code', 'PTH_TORCHSCRIPT', archive(e() + [Entry('x/code/__torch__.py', b'')])
    yield 'M54 other entry', 'PTH_ENTRY', archive(e() + [Entry('x/notes.txt', b'')])
    yield 'M54 whole module', 'PTH_WHOLE_MODULE', pth(
        b'ctorch.nn.modules.conv\nConv2d\n)\x81')
    yield 'M65 leading zero in record', 'PTH_ENTRY', archive(e() + [Entry('x/data/00', b'')])
    yield 'M65 record missing', 'STORAGE_MISSING', archive(e(records=()))
    yield 'M65 record short', 'STORAGE_SIZE', archive(e(records=(('0', FLOATS[:-1]),)))
    yield 'M65 record long', 'STORAGE_SIZE', archive(e(records=(('0', FLOATS + b'\0'),)))
    yield 'M65 record unused', 'STORAGE_UNUSED', archive(
        e(records=(('0', FLOATS), ('1', FLOATS))))


def legacy_cases():
    bad_system = EMPTY_DICT + MARK + text('protocol_version') + integer(7) + \
        text('little_endian') + b'\x88u'
    six = struct.pack('<q', 6)
    yield 'good legacy', None, legacy()
    yield 'M55 magic', 'LEGACY_MAGIC', legacy(magic=b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x18.')
    yield 'M55 plain pickle', 'LEGACY_MAGIC', pickle()
    yield 'M55 protocol 4', 'LEGACY_MAGIC', b'\x80\x04\x95' + b'\0' * 30
    yield 'M55 protocol', 'LEGACY_PROTOCOL', legacy(protocol=1002)
    yield 'M55 system', 'LEGACY_SYSTEM', legacy(system=bad_system)
    yield 'M55 system no dict', 'LEGACY_SYSTEM', legacy(system=b'N')
    yield 'M55 no keys', 'LEGACY_KEYS', legacy(keys=())
    yield 'M55 other key', 'LEGACY_KEYS', legacy(keys=('1',))
    yield 'M55 key no string', 'LEGACY_KEYS', legacy(keys=(integer(0),))
    yield 'M55 key twice', 'LEGACY_KEYS', legacy(keys=('0', '0'))
    yield 'M55 numel -1', 'LEGACY_STORAGE', legacy(storages=struct.pack('<q', -1) + FLOATS)
    yield 'M55 numel differs', 'LEGACY_STORAGE', legacy(storages=struct.pack('<q', 5) + FLOATS)
    yield 'M55 too short', 'LEGACY_STORAGE', legacy(storages=six + FLOATS[:-1])
    yield 'M55 no storage', 'LEGACY_STORAGE', legacy(storages=b'')
    yield 'M55 numel over rest', 'LEGACY_STORAGE', legacy(
        body=state_dict([('a', tensor(storage(numel=2**40)))]),
        storages=struct.pack('<q', 2**40) + FLOATS)
    yield 'M55 bytes x numel wraps', 'STORAGE_SIZE', legacy(
        body=state_dict([('a', tensor(storage(numel=2**62)))]),
        storages=struct.pack('<q', 2**62) + FLOATS)
    yield 'M06 legacy appended', 'LEGACY_TRAILING', legacy(tail=b'\0')
    yield 'M54 legacy module', 'PTH_WHOLE_MODULE', legacy(
        body=MARK + text('module') + text('C') + text('f') + text('src') + b'tQ')


def machine_cases():
    body = state_dict([('a', tensor())])
    for name, code in (('INST', b'i'), ('OBJ', b'o'), ('EXT1', b'\x82'), ('EXT4', b'\x84'),
                       ('PERSID', b'P'), ('STACK_GLOBAL', b'\x93'), ('FRAME', b'\x95'),
                       ('BYTEARRAY8', b'\x96'), ('POP', b'0'), ('DUP', b'2'), ('INT', b'I'),
                       ('STRING', b'S'), ('UNICODE', b'V'), ('MEMOIZE', b'\x94'),
                       ('EMPTY_SET', b'\x8f'), ('NEWOBJ_EX', b'\x92'), ('LONG4', b'\x8b'),
                       ('BINSTRING', b'T'), ('DICT', b'd'), ('LIST', b'l')):
        yield f'M57 {name}', 'PICKLE_OPCODE', pth(body + code)
    yield 'M57 protocol 3', 'PICKLE_PROTOCOL', archive(entries(b'\x80\x03' + body + STOP))
    yield 'M57 protocol 0', 'PICKLE_PROTOCOL', archive(entries(body + STOP))
    yield 'M57 protocol twice', 'PICKLE_PROTOCOL', pth(PROTO + body)
    yield 'M58 underflow', 'PICKLE_STACK', pth(b'R')
    yield 'M58 tuple underflow', 'PICKLE_STACK', pth(b'N\x87')
    yield 'M58 below the mark', 'PICKLE_STACK', pth(b'N(\x85')
    yield 'M58 no mark', 'PICKLE_MARK', pth(b'Nt')
    yield 'M58 leftover', 'PICKLE_LEFTOVER', pth(b'N' + body)
    yield 'M58 open mark', 'PICKLE_STACK', pth(body + b'(')
    yield 'M58 no stop', 'PICKLE_NO_STOP', archive(entries(PROTO + body))
    yield 'M58 after stop', 'PICKLE_TRAILING', archive(entries(PROTO + body + STOP + b'N.'))
    yield 'M58 empty', 'PICKLE_PROTOCOL', archive(entries(b''))
    yield 'M58 stack', 'PICKLE_LIMIT', pth(b'N' * 70000)
    yield 'M58 marks', 'PICKLE_LIMIT', pth(b'(' * 70000)
    yield 'M58 opcodes', 'PICKLE_LIMIT', pth(b'N\x85' + b'\x85' * 1000001)
    yield 'M59 unset', 'PICKLE_MEMO', pth(b'h\x05')
    yield 'M59 huge index', 'PICKLE_MEMO', pth(b'Nr\xff\xff\xff\xff')
    yield 'M59 put nothing', 'PICKLE_STACK', pth(b'q\0')
    yield 'M59 self-cycle', 'NOT_STATE_DICT', pth(
        b'}q\0' + text('model') + b'h\0s', ())
    yield 'M60 string length', 'PICKLE_TRUNCATED', pth(b'X\xff\xff\xff\xffabc')
    yield 'M60 long of 255', 'PICKLE_LONG', pth(b'\x8a\xff' + b'\1' * 255)
    yield 'M60 not UTF-8', 'PICKLE_UTF8', pth(text(b'\xff\xfe'))
    yield 'M60 surrogate', 'PICKLE_UTF8', pth(text(b'\xed\xa0\x80'))
    yield 'M60 operand missing', 'PICKLE_TRUNCATED', archive(entries(PROTO + b'K'))
    for module, name in (('os', 'system'), ('builtins', 'eval'), ('posix', 'system'),
                         ('torch', 'load'), ('torch.hub', 'load'), ('subprocess', 'Popen'),
                         ('collections', 'Counter'), ('torch', 'FloatStorage2'),
                         ('Torch', 'FloatStorage'), ('collections ', 'OrderedDict')):
        yield f'M61 {module}.{name}', 'PICKLE_GLOBAL', pth(
            f'c{module}\n{name}\n('.encode() + text('id') + b'tR')
    yield 'M61 no newline', 'PICKLE_GLOBAL_NAME', pth(b'ccollections OrderedDict)R')
    yield 'M61 long name', 'PICKLE_GLOBAL_NAME', pth(b'c' + b'a' * (1 << 20) + b'\nb\n')
    yield 'M61 empty name', 'PICKLE_GLOBAL_NAME', pth(b'c\n\n)R')


def call_cases():
    def one(value, records=(('0', FLOATS),)):
        return pth(state_dict([('a', value)]), records)
    yield 'M62 call a string', 'PICKLE_CALL', one(text('x') + b')R')
    yield 'M62 call a class of storage', 'PICKLE_CALL', one(b'ctorch\nFloatStorage\n)R')
    yield 'M62 arguments no tuple', 'PICKLE_ARGUMENTS', one(REBUILD + b'NR')
    yield 'M62 no arguments', 'PICKLE_ARGUMENTS', one(REBUILD + b')R')
    yield 'M62 stride missing', 'PICKLE_ARGUMENTS', one(tensor(stride=(1,)))
    yield 'M62 hooks', 'PICKLE_ARGUMENTS', one(
        tensor(tail=b'\x89' + EMPTY_DICT + text('a') + b'Ns'))
    yield 'M62 flag', 'PICKLE_ARGUMENTS', one(tensor(tail=b'N' + ORDERED_DICT))
    yield 'M62 parameter of none', 'PICKLE_ARGUMENTS', one(
        b'ctorch._utils\n_rebuild_parameter\n(N\x89' + ORDERED_DICT + b'tR')
    yield 'M62 size of strings', 'PICKLE_ARGUMENTS', one(
        b'ctorch\nSize\n((' + text('2') + b'ttR')
    yield 'M62 NEWOBJ', 'PICKLE_OPCODE', one(b'ccollections\nOrderedDict\n)\x81')
    yield 'M62 build a tensor', 'PICKLE_BUILD', one(tensor() + b'Nb')
    yield 'M62 dict of no pairs', 'PICKLE_ARGUMENTS', one(
        b'ccollections\nOrderedDict\n(](Neta'[:-1] + b'R')
    yield 'M63 item in tensor', 'PICKLE_CONTAINER', one(tensor() + text('k') + b'Ns')
    yield 'M63 item in tuple', 'PICKLE_CONTAINER', one(EMPTY_TUPLE + text('k') + b'Ns')
    yield 'M63 items in list', 'PICKLE_CONTAINER', one(EMPTY_LIST + MARK + text('k') + b'Nu')
    yield 'M63 append to dict', 'PICKLE_CONTAINER', one(EMPTY_DICT + b'Na')
    yield 'M63 odd', 'PICKLE_ODD_ITEMS', pth(EMPTY_DICT + MARK + text('a') + b'u')
    yield 'M63 list as key', 'PICKLE_KEY', pth(EMPTY_DICT + EMPTY_LIST + tensor() + b's')
    yield 'M63 number as name', 'TENSOR_NAME', pth(EMPTY_DICT + integer(1) + tensor() + b's')
    yield 'M29 NUL in name', 'TENSOR_NAME', pth(state_dict([('a\0b', tensor())]))
    yield 'M27 empty name', 'TENSOR_NAME', pth(state_dict([('', tensor())]))
    yield 'M27 long name', 'TENSOR_NAME', pth(state_dict([('a' * 512, tensor())]))
    yield 'M15 name twice', 'TENSOR_DUPLICATE', pth(
        state_dict([('a', tensor()), ('a', tensor())]))
    yield 'M54 no dict', 'NOT_STATE_DICT', pth(b'N', ())
    yield 'M54 no tensors', 'NOT_STATE_DICT', pth(state_dict([('epoch', integer(3))]), ())
    yield 'two dicts', 'STATE_DICT_AMBIGUOUS', pth(
        state_dict([('model', EMPTY_DICT), ('net', EMPTY_DICT)]), ())


def tensor_cases():
    def one(value, records=(('0', FLOATS),)):
        return pth(state_dict([('a', value)]), records)
    two = state_dict([('a', tensor()), ('b', tensor(storage(numel=5), size=(1,), stride=(1,)))])
    many = [(f't{i}', tensor()) for i in range(3)]
    yield 'M64 tag', 'STORAGE_ID', one(tensor(storage(tag='store')))
    yield 'M64 no tuple', 'STORAGE_ID', one(integer(3) + b'Q')
    yield 'M64 short tuple', 'STORAGE_ID', one(MARK + text('storage') + b'tQ')
    yield 'M64 view', 'STORAGE_ID', one(tensor(storage(extra=integer(3))))
    yield 'M64 path as key', 'STORAGE_KEY', one(tensor(storage(key='../0')))
    yield 'M64 key 00', 'STORAGE_KEY', one(tensor(storage(key='00')))
    yield 'M64 empty key', 'STORAGE_KEY', one(tensor(storage(key='')))
    yield 'M64 long key', 'STORAGE_KEY', one(tensor(storage(key='1' * 20)))
    yield 'M64 class', 'STORAGE_TYPE', one(tensor(storage(kind=b'ccollections\nOrderedDict\n')))
    yield 'M64 no class', 'STORAGE_TYPE', one(tensor(storage(kind=b'N')))
    yield 'M65 negative numel', 'STORAGE_SIZE', one(tensor(storage(numel=-1)))
    yield 'M65 numel too small', 'STORAGE_SIZE', one(tensor(storage(numel=5)))
    yield 'M65 numel wraps', 'STORAGE_SIZE', one(tensor(storage(numel=2**62 + 6)))
    yield 'M65 two sizes', 'STORAGE_TWICE', pth(two)
    yield 'M65 two types', 'STORAGE_TWICE', pth(state_dict(
        [('a', tensor()), ('b', tensor(storage(kind=b'ctorch\nIntStorage\n')))]))
    yield 'M66 offset', 'TENSOR_BOUNDS', one(tensor(offset=1))
    yield 'M66 stride', 'TENSOR_BOUNDS', one(tensor(stride=(4, 1)))
    yield 'M66 stride wraps', 'TENSOR_BOUNDS', one(tensor(stride=(2**63 - 1, 2**62)))
    yield 'M66 negative offset', 'TENSOR_NEGATIVE', one(tensor(offset=-1))
    yield 'M66 negative stride', 'TENSOR_NEGATIVE', one(tensor(stride=(-3, 1)))
    yield 'M66 negative size', 'TENSOR_NEGATIVE', one(tensor(size=(-2, 3)))
    yield 'M19 size 0', 'TENSOR_SHAPE', one(tensor(size=(0, 3)))
    yield 'M19 size 2^31', 'TENSOR_SHAPE', one(tensor(size=(2**31, 1), stride=(0, 0)))
    yield 'M19 product wraps', 'TENSOR_SHAPE', one(
        tensor(size=(2**31 - 1, 2**31 - 1, 2**31 - 1), stride=(0, 0, 0)))
    yield 'M19 rank 9', 'PICKLE_ARGUMENTS', one(tensor(size=(1,) * 9, stride=(1,) * 9))
    yield 'M67 expanded', 'TENSOR_EXPANDED', one(tensor(size=(10**9,), stride=(0,)))
    yield 'M68 three on one', 'TENSOR_AMPLIFIED', pth(state_dict(many))
    yield 'M68 two on one', None, pth(state_dict(many[:2]))
    for name, code in (('torch._utils\n_rebuild_sparse_tensor', 'TENSOR_KIND'),
                       ('torch._utils\n_rebuild_qtensor', 'TENSOR_KIND'),
                       ('torch._utils\n_rebuild_meta_tensor_no_storage', 'TENSOR_KIND'),
                       ('torch._tensor\n_rebuild_from_type_v2', 'TENSOR_KIND'),
                       ('torch._utils\n_rebuild_device_tensor_from_numpy', 'TENSOR_KIND')):
        yield f'M69 {name[13:]!r}', code, one(f'c{name}\n)R'.encode())
    yield 'M69 complex', 'TENSOR_KIND', one(tensor(storage(kind=b'ctorch\nComplexFloatStorage\n')))


def other_cases():
    yield 'M01 empty', 'FILE_TOO_SMALL', b''
    yield 'M01 7 bytes', 'FILE_TOO_SMALL', b'PK\3\4abc'
    yield 'M56 tar', 'TAR', b'\0' * 257 + b'ustar' + b'\0' * 250
    yield 'M07 ELF', 'FORMAT_UNKNOWN', b'\x7fELF' + b'\0' * 60
    yield 'M07 gzip', 'FORMAT_UNKNOWN', b'\x1f\x8b' + b'\0' * 60
    yield 'M07 text', 'FORMAT_UNKNOWN', b'these are no weights'
    yield 'M07 NumPy', 'FORMAT_UNKNOWN', b'\x93NUMPY' + b'\0' * 60


def all_cases():
    for group in (zip_cases, container_cases, legacy_cases, machine_cases, call_cases,
                  tensor_cases, other_cases):
        yield from group()
