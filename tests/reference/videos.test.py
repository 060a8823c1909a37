# SPDX-License-Identifier: MIT
"""The whole way on real videos: cored-scan with the published MesoNet weights against NumPy.

Every frame is judged by the element, each video with every other of the networks; of every sixtieth the probability is computed anew from the raw
frame of the same decoder, the face that the engine's locator finds there (the element reports its box
in whole pixels) and the published HDF5 file. Prints a
table of the verdicts: these networks are from 2018 and know one forgery each.

    videos.test.py CONVERT SCAN SHARED

Exit code 77: a module, GStreamer's decoders or the material are absent."""
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import meso_numpy
    from preprocess_numpy import expected
    from vision_engine import Locator, image
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)

TOLERANCE = 1e-4
INTERVAL = 20  # detect-interval
EVERY = 3 * INTERVAL  # in these the element looks for faces
CASCADE = '/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml'
MIN_SIZE = 64  # the element's default min-object-size
PADDING = 0.3  # the element's default roi-padding
SIZE = 256
CHROMA = {'I420': (1, 1), 'Y42B': (1, 0), 'Y444': (0, 0)}
MATRIX_OF_COLORIMETRY = {'bt601': 'bt601', 'bt709': 'bt709', '4': 'bt601', '3': 'bt709'}


def caps_of(video):
    """What the decoder gives: format, width, height and the name of the YUV matrix."""
    text = subprocess.run(
        ['gst-launch-1.0', '-v', 'filesrc', f'location={video}', '!', 'decodebin', '!',
         'video/x-raw', '!', 'fakesink', 'num-buffers=1'], capture_output=True, text=True).stdout
    found = re.search(r'fakesink0\.GstPad:sink: caps = (video/x-raw.*)', text)
    if not found:
        print('skipped: GStreamer cannot decode', video)
        sys.exit(77)
    caps = dict(re.findall(r'([\w-]+)=\([\w]+\)"?([^,"]+)', found.group(1)))
    width, height = int(caps['width']), int(caps['height'])
    # GStreamer's rule for a stream that does not say: HD matrix above 576 lines.
    named = caps.get('colorimetry', 'bt709' if height > 576 else 'bt601')
    assert not named.startswith('1:'), 'full range is not provided for here'
    matrix = named.split(':')[1] if ':' in named else named
    return caps['format'], width, height, MATRIX_OF_COLORIMETRY[matrix]


def plane_shapes(fmt, width, height):
    """(rows, stride, width) of each plane in GStreamer's default layout."""
    hs, vs = CHROMA[fmt]
    cw, ch = -(-width // 2 ** hs), -(-(-(-height // 2) * 2) // 2 ** vs) if vs else height
    return [(-(-height // 2) * 2 if vs else height, -(-width // 4) * 4, width)] + \
        [(ch, -(-cw // 4) * 4, cw)] * 2


def frames_of(video, fmt, width, height):
    """Every EVERY-th decoded frame as (number, [Y, U, V])."""
    shapes = plane_shapes(fmt, width, height)
    size = sum(rows * stride for rows, stride, _ in shapes)
    decoder = subprocess.Popen(
        ['gst-launch-1.0', '-q', 'filesrc', f'location={video}', '!', 'decodebin', '!',
         'video/x-raw', '!', 'fdsink', 'fd=1'], stdout=subprocess.PIPE)
    number = 0
    while len(data := decoder.stdout.read(size)) == size:
        if number % EVERY == 0:
            planes, at = [], 0
            for rows, stride, used in shapes:
                plane = np.frombuffer(data, np.uint8, rows * stride, at).reshape(rows, stride)
                planes.append(plane[:, :used])
                at += rows * stride
            yield number, planes
        number += 1
    assert not data and decoder.wait() == 0, f'{video}: the decoder gave a part of a frame'


def exact(face, found):
    """The one of the found boxes that the reported one is in whole pixels."""
    for x, y, w, h, _ in found:
        left, top = math.floor(x), math.floor(y)
        if (left, top, math.ceil(x + w) - left, math.ceil(y + h) - top) == \
                (face['x'], face['y'], face['w'], face['h']):
            return x, y, w, h
    raise AssertionError(f'{face} is none of {found}')


def crop_of(box, width, height):
    """The square that the network looks at, as the documentation of the crop rule has it."""
    side = min(max(box[2:]) * (1 + PADDING), width, height)
    x, y = box[0] + (box[2] - side) / 2, box[1] + (box[3] - side) / 2
    return (min(max(x, 0), width - side), min(max(y, 0), height - side), side, side)


def scan(tool, model, videos, folder):
    """Judged frames {uri: {number: object}} and verdicts {uri: object}."""
    out = Path(folder, 'scan.jsonl')
    env = dict(os.environ, GST_REGISTRY=str(Path(folder, 'registry.bin')))
    subprocess.run([tool, '-q', '--model', model, '--overwrite', '--json', out, '--set',
                    f'detect-interval={INTERVAL}', '--set', f'face-cascade={CASCADE}', *videos], check=True, env=env,
                   stdout=subprocess.DEVNULL)
    frames, verdicts = {}, {}
    for line in out.read_text().splitlines():
        entry = json.loads(line)
        if entry['type'] == 'verdict':
            verdicts[entry['uri']] = entry
        else:
            frames.setdefault(entry['uri'], {})[entry['frame']] = entry
    return frames, verdicts


def check_video(video, judged, weights):
    """Largest difference over the sampled frames and the number of faces compared."""
    fmt, width, height, matrix = caps_of(video)
    worst, compared = 0.0, 0
    locator = Locator(CASCADE)
    for number, planes in frames_of(video, fmt, width, height):
        found = locator.find(image(fmt, width, height, planes), min_size=MIN_SIZE)
        for h5, frames in judged.items():
            for face in frames.get(number, {}).get('faces', []):
                box = (0, 0, width, height) if face.get('full-frame') else \
                    crop_of(exact(face, found), width, height)
                rgb = expected(fmt, planes, CHROMA[fmt], (width, height), box, (SIZE, SIZE),
                               matrix, 'limited')
                difference = abs(1 - meso_numpy.p_real(weights[h5], rgb) - face['p-fake'])
                worst, compared = max(worst, difference), compared + 1
    return worst, compared


def blurred_share(model, video, tool):
    """The share of the results that call the face in the blurred video's first frames blurred."""
    env = dict(os.environ, GST_PLUGIN_PATH=str(Path(tool).resolve().parent.parent / 'plugin'))
    text = subprocess.run(
        ['gst-launch-1.0', '-m', 'filesrc', f'location={video}', '!', 'decodebin', '!', 'identity',
         'eos-after=20', '!', 'videoconvert', '!', 'video/x-raw,format=AYUV', '!', 'gaussianblur',
         'sigma=8', '!', 'videoconvert', '!', 'coreddetect', f'model={model}', 'message-interval=0',
         '!', 'fakesink'], capture_output=True, text=True, env=env).stdout
    results = [line for line in text.splitlines() if 'element): cored,' in line]
    return sum('reason=(string)blurred' in line for line in results) / max(1, len(results))


def cell_of(verdict):
    return f'{verdict.get("verdict", "-"):>7} ' + (f'{verdict["p-fake"]:9.6f}' if 'p-fake' in verdict else ' ' * 9)


def main(convert, tool, shared):
    weights = {h5.stem: h5 for h5 in sorted(Path(shared, 'data/weights/mesonet').glob('*.h5'))}
    videos = sorted(Path(shared, 'data/videos').resolve().glob('*/*.mp4'))
    if not weights or not videos or not Path(CASCADE).exists():
        print('skipped: no published weights or videos in', shared, 'or no', CASCADE)
        return 77
    judged, verdicts = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for turn, (name, h5) in enumerate(weights.items()):
            model = Path(folder, name + '.safetensors')
            subprocess.run([convert, 'import', '-q', h5, '-o', model], check=True)
            judged[name], verdicts[name] = scan(tool, model, videos[turn % 2::2], folder)

        share = blurred_share(model, videos[-1], tool)
    bad = share < 0.9
    print(f'{videos[-1].name}, blurred: {share:.0%} of the results say so, at least 90% must')
    print(f'{"video":34} {"frames":>6} {"judged":>6}  ' + '  '.join(f'{n:>17}' for n in weights))
    for video in videos:
        uri = video.as_uri()
        first = next(v[uri] for v in verdicts.values() if uri in v)
        cells = [cell_of(v.get(uri, {})) for v in verdicts.values()]
        print(f'{video.parent.name + "/" + video.name:34} {first["frames"]:6} {first["judged"]:6}  '
              + '  '.join(f'{c:>17}' for c in cells))
    total = 0
    for video in videos:
        worst, compared = check_video(video, {n: f.get(video.as_uri(), {})
                                              for n, f in judged.items()}, weights)
        print(f'{video.name:34} {compared:4} probabilities against NumPy: '
              f'largest difference {worst:.2e}, allowed {TOLERANCE:.0e}')
        bad |= worst > TOLERANCE
        total += compared
    for uri, verdict in [item for v in verdicts.values() for item in v.items()]:
        longest = max((track['judged'] for track in verdict['tracks']), default=0)
        if longest < verdict['frames']:  # each of the videos shows one person throughout
            print(f'{uri}: the longest track has {longest} of {verdict["frames"]} frames')
            bad = True
    if total == 0:
        print('no probability was compared: no face found?')
        bad = True
    return int(bad)


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
