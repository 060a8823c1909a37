#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recall and precision of the network that finds faces and of the cascade, on faces labelled by hand.

    face-recall.test.py MODEL SHARED

The labels are in faces.csv, beside this script, the pictures and videos in SHARED/data. A found box is right when
it shares 0.4 of the union with a face, one box to a face; faces marked `ignore` (less than an eye, nose and mouth to
be seen) count neither when they are found nor when they are missed. Both detectors look for faces from MIN_SIZE
pixels on, with the element's defaults otherwise. A row with a transform is of the picture changed by it, with the box
as it is in the unchanged one: rotated (degrees, anticlockwise; around it is gray), darkened or reduced. These
are counted apart from the others.

Prints a table, and what the figures would be if a quarter of the union sufficed, since the cascade's squares are
another kind of box than the labels. The network has to reach the bounds below, and to find more than the cascade.

Exit code 77: a module, GStreamer's decoders or the material are absent."""
import csv
import math
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

try:
    from PIL import Image
    from vision_engine import Locator, image, np
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)

CASCADE = '/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml'
MIN_SIZE, MATCH, LOOSE = 40, 0.4, 0.25
LEAST = {'recall': 0.93, 'precision': 0.93}  # of the network, on what is not transformed
REAL = 'all'


def labels():
    """{(path, frame, transform): [(box, tags)]}"""
    out = defaultdict(list)
    with open(Path(__file__).with_name('faces.csv'), newline='') as file:
        for row in csv.DictReader(line for line in file if not line.startswith('#')):
            box = tuple(float(row[side]) for side in 'xywh')
            out[row['path'], row['frame'], row['transform']].append((box, set(row['tags'].split())))
    return out


def frames(path, numbers):
    """{number: picture} of a video, counted from 0 as they are decoded."""
    describe = f'filesrc location="{path}" ! decodebin ! videoconvert ! video/x-raw,format=RGB ! '
    caps = subprocess.run(['gst-launch-1.0', '-v', *(describe + 'fakesink num-buffers=1').replace('"', '').split()],
                          capture_output=True, text=True).stdout
    sizes = [line for line in caps.splitlines() if 'fakesink0.GstPad:sink: caps' in line]
    if not sizes:
        print('skipped: GStreamer cannot decode', path)
        sys.exit(77)
    width, height = (int(sizes[0].split(f'{side}=(int)')[1].split(',')[0]) for side in ('width', 'height'))
    stride = -(-width * 3 // 4) * 4
    decoder = subprocess.Popen(['gst-launch-1.0', '-q', *(describe + 'fdsink fd=1').replace('"', '').split()],
                               stdout=subprocess.PIPE)
    out = {}
    for number in range(max(numbers) + 1):
        data = decoder.stdout.read(stride * height)
        if number in numbers:
            rows = np.frombuffer(data, np.uint8).reshape(height, stride)[:, :width * 3]
            out[number] = Image.fromarray(rows.reshape(height, width, 3))
    decoder.stdout.close()
    decoder.wait()
    return out


def pictures(data, wanted):
    """{(path, frame): picture}"""
    out, videos = {}, defaultdict(set)
    for path, frame, _ in wanted:
        if frame:
            videos[path].add(int(frame))
        elif (path, '') not in out:
            out[path, ''] = Image.open(data / path).convert('RGB')
    for path, numbers in videos.items():
        for number, picture in frames(data / path, numbers).items():
            out[path, str(number)] = picture
    return out


def rotated(picture, boxes, degrees):
    """The box of a tilted face is that of the ellipse which the upright box encloses."""
    turned = picture.rotate(degrees, Image.BICUBIC, expand=True, fillcolor=(128, 128, 128))
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    out = []
    for x, y, w, h in boxes:
        u, v = x + w / 2 - picture.width / 2, y + h / 2 - picture.height / 2
        wide, high = math.hypot(w * cos, h * sin), math.hypot(w * sin, h * cos)
        out.append((u * cos + v * sin + turned.width / 2 - wide / 2,
                    v * cos - u * sin + turned.height / 2 - high / 2, wide, high))
    return turned, out


def transformed(picture, boxes, transform):
    kind, _, value = transform.partition(':')
    if kind == 'rotate':
        return rotated(picture, boxes, float(value))
    if kind == 'gamma':  # of the stored values: larger is darker
        return picture.point([round(255 * (i / 255) ** float(value)) for i in range(256)] * 3), boxes
    if kind == 'reduce':
        k = float(value)
        return picture.resize((round(picture.width / k), round(picture.height / k)), Image.BOX), \
            [tuple(side / k for side in box) for box in boxes]
    assert not kind, f'transform {transform} in faces.csv: rotate, gamma and reduce are known'
    return picture, boxes


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def match(found, faces, least):
    """(which faces are found, the number of boxes that are none), the most overlapping pairs first."""
    pairs = sorted(((overlap(box, face), i, k) for i, box in enumerate(found) for k, (face, _) in enumerate(faces)),
                   reverse=True)
    boxes, hit = set(), set()
    for share, i, k in pairs:
        if share >= least and i not in boxes and k not in hit:
            boxes.add(i)
            hit.add(k)
    unsure = [face for face, tags in faces if 'ignore' in tags]
    wrong = [box for i, box in enumerate(found) if i not in boxes and not any(inside(box, face) for face in unsure)]
    return hit, len(wrong)


def inside(box, face):
    """Of a face that is cut off a box may be anywhere in what is left of it."""
    w = min(box[0] + box[2], face[0] + face[2]) - max(box[0], face[0])
    h = min(box[1] + box[3], face[1] + face[3]) - max(box[1], face[1])
    return max(w, 0) * max(h, 0) >= MATCH * min(box[2] * box[3], face[2] * face[3])


class Tally:
    def __init__(self):
        self.faces, self.found, self.wrong = 0, 0, 0

    def recall(self):
        return self.found / max(1, self.faces)

    def precision(self):
        return self.found / max(1, self.found + self.wrong)


def groups_of(transform, tags):
    return [transform] if transform else [REAL, *sorted(tags)]


def count(out, transform, faces, hit, wrong):
    """A wrong box counts once in each group that a face of its picture is in."""
    counted = [(k, groups_of(transform, tags)) for k, (_, tags) in enumerate(faces) if 'ignore' not in tags]
    for k, groups in counted:
        for group in groups:
            out[group].faces += 1
            out[group].found += k in hit
    for group in {group for _, groups in counted for group in groups}:
        out[group].wrong += wrong


def measure(search, wanted, sources):
    """{least share of the union: {group: Tally}}"""
    out = {MATCH: defaultdict(Tally), LOOSE: defaultdict(Tally)}
    for (path, frame, transform), faces in wanted.items():
        picture, boxes = transformed(sources[path, frame], [box for box, _ in faces], transform)
        moved = list(zip(boxes, (tags for _, tags in faces)))
        pixels = np.ascontiguousarray(np.asarray(picture))
        plane = pixels.reshape(pixels.shape[0], -1)
        found = [face[:4] for face in search(image('RGB', picture.width, picture.height, [plane]))]
        for least, tallies in out.items():
            count(tallies, transform, moved, *match(found, moved, least))
    return out


def show(title, groups, results):
    """results: {name: {group: Tally}}"""
    print(title)
    print(f'{"":16} {"faces":>5}  ' + '  '.join(f'{name:>22}' for name in results))
    for group in groups:
        tallies = [result[group] for result in results.values()]
        precisions = [f'{t.precision():.3f}' if t.found + t.wrong else '-' for t in tallies]
        cells = [f'{t.recall():10.3f} {p:>11}' for t, p in zip(tallies, precisions)]
        print(f'{group:16} {tallies[0].faces:5}  ' + '  '.join(cells))


def main(model, shared):
    data, wanted = Path(shared, 'data'), labels()
    absent = [path for path, _, _ in wanted if not (data / path).exists()]
    if absent or not Path(CASCADE).exists() or not shutil.which('gst-launch-1.0'):
        print('skipped: no', data / absent[0] if absent else f'{CASCADE} (opencv-data) or no gst-launch-1.0')
        return 77
    sources = pictures(data, wanted)
    network, cascade = Locator(model), Locator(CASCADE)
    results = {
        'network': measure(lambda p: network.find(p, min_size=MIN_SIZE), wanted, sources),
        'with find-upside-down': measure(lambda p: network.find(p, min_size=MIN_SIZE, upside_down=True), wanted,
                                         sources),
        'cascade': measure(lambda p: cascade.find(p, 1.1, 3, MIN_SIZE), wanted, sources)}
    for least in (MATCH, LOOSE):
        show(f'recall and precision; a box is right from {least} of the union, faces from {MIN_SIZE} pixels',
             results['network'][least], {name: result[least] for name, result in results.items()})
    net, lbp = results['network'][MATCH][REAL], results['cascade'][MATCH][REAL]
    assert net.faces >= 100, f'{net.faces} faces are labelled, expected 100'
    good = True
    for name, least in LEAST.items():
        ours, theirs = (getattr(tally, name)() for tally in (net, lbp))
        print(f'{name}: network {ours:.3f}, at least {least} and the cascade\'s {theirs:.3f} are wanted')
        good &= ours >= least and ours > theirs
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
