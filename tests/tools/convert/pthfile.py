# SPDX-License-Identifier: MIT
"""PyTorch files byte by byte, so that every byte can be wrong: pickles, ZIP archives, the legacy
stream. Nothing of PyTorch or zipfile is used."""
import struct
import zlib

PROTO, STOP, MARK = b'\x80\x02', b'.', b'('
EMPTY_TUPLE, EMPTY_DICT, EMPTY_LIST = b')', b'}', b']'
ORDERED_DICT = b'ccollections\nOrderedDict\n' + EMPTY_TUPLE + b'R'
REBUILD = b'ctorch._utils\n_rebuild_tensor_v2\n'


def text(s):
    raw = s.encode() if isinstance(s, str) else s
    return b'X' + struct.pack('<I', len(raw)) + raw


def integer(n):
    return b'J' + struct.pack('<i', n) if abs(n) < 2**31 else b'\x8a\x08' + struct.pack('<q', n)


def tuple_of(*items):
    return MARK + b''.join(items) + b't'


def storage(key='0', numel=6, kind=b'ctorch\nFloatStorage\n', tag='storage', extra=b''):
    return MARK + text(tag) + kind + text(key) + text('cpu') + integer(numel) + extra + b'tQ'


def tensor(where=None, offset=0, size=(2, 3), stride=(3, 1), call=REBUILD, tail=None):
    tail = b'\x89' + ORDERED_DICT if tail is None else tail
    return (call + MARK + (where or storage()) + integer(offset) + tuple_of(*map(integer, size)) +
            tuple_of(*map(integer, stride)) + tail + b'tR')


def state_dict(entries):
    """entries: (name, opcodes of the value)."""
    return EMPTY_DICT + MARK + b''.join(text(n) + v for n, v in entries) + b'u'


def pickle(body=None):
    return PROTO + (state_dict([('a.weight', tensor())]) if body is None else body) + STOP


FLOATS = struct.pack('<6f', 1, 2, 3, 4, 5, 6)


class Entry:
    """One entry of an archive; any field of either header may be set apart from the other."""

    def __init__(self, name, data, **fields):
        self.name, self.data = name.encode() if isinstance(name, str) else name, data
        self.f = {'flags': 0, 'method': 0, 'crc': zlib.crc32(data), 'size': len(data),
                  'packed': len(data), 'extra': b'', 'central_extra': b'', 'comment': b'',
                  'mode': 0, 'descriptor': b'', 'disk': 0, 'before': b'', 'version': 10}
        self.f.update(fields)

    def get(self, key, where):
        return self.f.get(f'{where}_{key}', self.f[key])

    def common(self, where):
        g = lambda key: self.get(key, where)
        name = self.f.get(f'{where}_name', self.name)
        extra = self.f['extra'] if where == 'local' else self.f['central_extra']
        return struct.pack('<HHHHHIIIHH', g('version'), g('flags'), g('method'), 0, 0x21, g('crc'),
                           g('packed'), g('size'), len(name), len(extra)), name, extra

    def local(self):
        head, name, extra = self.common('local')
        return b'PK\x03\x04' + head + name + extra + self.data + self.f['descriptor']

    def central(self, offset):
        head, name, extra = self.common('central')
        offset = self.f.get('offset', offset)
        return (b'PK\x01\x02' + struct.pack('<H', 20) + head +
                struct.pack('<HHHII', len(self.f['comment']), self.f['disk'], 0,
                            self.f['mode'] << 16, offset) + name + extra + self.f['comment'])


def archive(entries, **end):
    body, directory = b'', b''
    for entry in entries:
        body += entry.f['before']
        directory += entry.central(len(body))
        body += entry.local()
    body += end.get('gap', b'')
    n, start = end.get('n', len(entries)), end.get('start', len(body))
    size, comment = end.get('size', len(directory)), end.get('comment', b'')
    record = b'PK\x05\x06' + struct.pack('<HHHHIIH', end.get('disk', 0), 0, n, n, size, start,
                                         len(comment)) + comment
    return body + directory + end.get('between', b'') + record + end.get('tail', b'')


def entries(data=None, records=(('0', FLOATS),), top='x', **pickle_fields):
    listed = [Entry(f'{top}/data.pkl', pickle() if data is None else data, **pickle_fields)]
    listed += [Entry(f'{top}/data/{key}', raw) for key, raw in records]
    return listed + [Entry(f'{top}/version', b'3\n')]


def pth(body=None, records=(('0', FLOATS),)):
    """An archive that is right but for the opcodes in the dictionary."""
    return archive(entries(pickle(body), records))


def zip64_end(count, size, start, place, **wrong):
    record = b'PK\x06\x06' + struct.pack('<QHHIIQQQQ', wrong.get('length', 44), 45, 45, 0,
                                         wrong.get('disk', 0), count, wrong.get('n', count), size,
                                         start)
    return record + b'PK\x06\x07' + struct.pack('<IQI', 0, wrong.get('at', place), 1)


def zip64(**wrong):
    """An archive with zip64 end records, as torch.save writes it."""
    listed = entries()
    plain = archive(listed)
    start = struct.unpack('<I', plain[-6:-2])[0]
    size = struct.unpack('<I', plain[-10:-6])[0]
    end = zip64_end(len(listed), size, start, len(plain) - 22, **wrong)
    return plain[:-22] + end + plain[-22:]


MAGIC = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'


def legacy(body=None, magic=MAGIC, protocol=1001, system=None, keys=('0',), storages=None,
           tail=b''):
    if system is None:
        system = EMPTY_DICT + MARK + text('protocol_version') + integer(1001) + \
            text('little_endian') + b'\x88u'
    if body is None:
        body = state_dict([('a.weight', tensor(storage(extra=b'N')))])
    if storages is None:
        storages = struct.pack('<q', 6) + FLOATS
    listed = EMPTY_LIST + MARK + b''.join(text(k) if isinstance(k, str) else k for k in keys) + b'e'
    return (magic + PROTO + b'M' + struct.pack('<H', protocol) + STOP + PROTO + system + STOP +
            PROTO + body + STOP + PROTO + listed + STOP + storages + tail)
