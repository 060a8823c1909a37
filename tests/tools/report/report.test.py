# SPDX-License-Identifier: MIT
"""The HTML report and the event files of known figures, read by other programs' rules.

    report.test.py PROBE
"""
import re
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

from reading import Checker, crc32c, fields, read_png, records

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
