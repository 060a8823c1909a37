# SPDX-License-Identifier: MIT
"""Reading reports and event files by other programs' rules: Python's HTML parser, zlib, and the
definitions of PNG, TFRecord, CRC-32C and protocol buffers."""
import base64
import html.parser
import struct
import zlib

VOID = {'meta', 'img', 'br'}


class Checker(html.parser.HTMLParser):
    """Open and close tags match; nothing is loaded from elsewhere; text is collected."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.tags, self.pictures = [], [], {}, []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for key, value in attrs:
            assert not key.startswith('on') and key not in ('href', 'srcset'), (tag, key)
            if key == 'src':
                assert value.startswith('data:image/png;base64,'), value[:40]
                self.pictures.append(base64.b64decode(value.partition(',')[2], validate=True))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)


def read_png(data):
    assert data[:8] == b'\x89PNG\r\n\x1a\n'
    at, packed, size = 8, b'', None
    while at < len(data):
        n, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert struct.unpack('>I', data[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + body)
        if kind == b'IHDR':
            size = struct.unpack('>IIBBBBB', body)
        packed += body if kind == b'IDAT' else b''
        at += 12 + n
    width, height, depth, colour, *rest = size
    assert (depth, colour, rest) == (8, 2, [0, 0, 0])
    raw, out = zlib.decompress(packed), bytearray()
    for y in range(height):
        row = bytearray(raw[y * (3 * width + 1) + 1:(y + 1) * (3 * width + 1)])
        assert raw[y * (3 * width + 1)] == 1  # filter "Sub"
        for x in range(3, len(row)):
            row[x] = (row[x] + row[x - 3]) % 256
        out += row
    return width, height, bytes(out)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) % 2**32


def records(data):
    at = 0
    while at < len(data):
        head = data[at:at + 8]
        size, = struct.unpack('<Q', head)
        assert struct.unpack('<I', data[at + 8:at + 12])[0] == masked(head)
        body = data[at + 12:at + 12 + size]
        assert struct.unpack('<I', data[at + 12 + size:at + 16 + size])[0] == masked(body)
        yield body
        at += 16 + size


def fields(message):
    """{field number: value} of a protocol buffer."""
    out, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(message):
        key = varint()
        wire, size = key & 7, {1: 8, 5: 4}.get(key & 7)
        if wire == 0:
            out[key >> 3] = varint()
            continue
        if wire == 2:
            size = varint()
        out[key >> 3] = message[at:at + size]
        at += size
    return out
