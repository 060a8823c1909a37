# SPDX-License-Identifier: MIT
"""The HTML report and the event files, read by other programs' rules: Python's HTML and XML
parsers, zlib, and the definitions of TFRecord, CRC-32C and protocol buffers.

    report.test.py PROBE
"""
import base64
import html.parser
import re
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
import zlib
from pathlib import Path

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


def check_report(path, auc):
    page = path.read_text(encoding='utf-8')
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == [], checker.open
    text = ' '.join(checker.text)
    assert 'script' not in checker.tags and checker.tags['svg'] == 3 and 'link' not in checker.tags
    assert not re.search(r'https?://(?!www\.w3\.org)', page)
    for part in ('Report of <tests>', 'after <B> & "C", on A', "cored-eval --x='<&>'",
                 'a/<script>alert(1)</script>.png', 'p-fake  0.999', 'forgetting', '\u2013'):
        assert part.replace('  ', ' ') in text.replace('  ', ' '), part
    assert f'{auc:.4f}' in text
    # After task C: forgetting is (0.99 - 0.8 + 0.95 - 0.9) / 2, the average (0.8 + 0.9 + 0.97) / 3.
    assert '0.1200' in text and '0.8900' in text and '-0.1200' in text
    for svg in re.findall(r'<svg.*?</svg>', page, re.S):
        xml.etree.ElementTree.fromstring(svg)
        for number in re.findall(r" (?:x|y|x1|y1|cx|cy|width|height)='([^']*)'", svg):
            assert 0 <= float(number) < 1000, number
        for points in re.findall(r"points='([^']*)'", svg):
            pairs = [tuple(map(float, p.split(','))) for p in points.split()]
            assert len(pairs) >= 1 and all(0 <= x < 700 and 0 <= y < 400 for x, y in pairs)
    assert [read_png(p) for p in checker.pictures] == [
        (8, 8, bytes(i * 7 % 256 for i in range(192)))]


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


def check_events(folder):
    assert crc32c(b'123456789') == 0xe3069283  # the check value of CRC-32C
    (path,) = folder.iterdir()
    assert path.name.startswith('events.out.tfevents.1700000000.'), path.name
    events = [fields(r) for r in records(path.read_bytes())]
    time = [struct.unpack('<d', e[1])[0] for e in events]
    assert time == [1700000000.5, 1700000001.25, 1700000002, 1700000003, 1700000004], time
    assert events[0][3] == b'brain.Event:2' and set(events[0]) == {1, 3}
    assert [e[2] for e in events[1:]] == [0, 300, 2**40, 1]
    values = [fields(fields(e[5])[1]) for e in events[1:]]
    assert [v[1] for v in values] == [b'loss/student', b'loss/student', 'auc/ä'.encode(), b'x' * 256]
    numbers = [struct.unpack('<f', v[2])[0] for v in values]
    assert numbers[0] == 0.75 and abs(numbers[1] + 1e-3) < 1e-9 and numbers[2] != numbers[2]
    return path


def check_with_tensorboard(path):
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        print('without the tensorboard package: checked against the definitions only')
        return
    accumulator = EventAccumulator(str(path))
    accumulator.Reload()
    points = [(p.step, p.value) for p in accumulator.Scalars('loss/student')]
    assert points[0] == (0, 0.75) and points[1][0] == 300, points
    print('read by the tensorboard package, too')


def main(probe):
    with tempfile.TemporaryDirectory() as where:
        page, events = Path(where, 'r.html'), Path(where, 'a/b/events')
        auc = subprocess.run([probe, page, events], check=True, capture_output=True,
                             text=True).stdout
        check_report(page, float(auc.replace(',', '.')))
        check_with_tensorboard(check_events(events))
        print(f'report of {page.stat().st_size} bytes')


if __name__ == '__main__':
    main(sys.argv[1])
