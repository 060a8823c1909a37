# SPDX-License-Identifier: MIT
"""The element and the trainer cut the same faces: videos frame by frame, the element's probability
against that of a session fed with the trainer's inputs.

    crops.py DATA_PROBE SHARED

Square, anamorphic (4:3, 2:1, 1:2), interlaced (H.264, MPEG-2 with 16:15) and MJPEG (full range, chroma
in the middle). One set shows a bright spot that a cascade of one feature finds and needs nothing
else; two are made from a real video in SHARED, for a cascade of OpenCV's and for the network that is built in. CORED_LIBRARY names the engine's shared library."""
import ctypes as C
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)

FRAMES = 8
SIZE = 128  # of the network's input
# Two routes through the same float32 code. Trained networks have logits of this size, too.
TOLERANCE = 1e-4

SPOT = '''<?xml version="1.0"?>
<opencv_storage><cascade><stageType>BOOST</stageType><featureType>LBP</featureType>
<height>9</height><width>9</width><stageParams><boostType>GAB</boostType><maxWeakCount>1</maxWeakCount>
</stageParams><featureParams><maxCatCount>256</maxCatCount><featSize>1</featSize></featureParams>
<stageNum>1</stageNum><stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>0.5</stageThreshold>
<weakClassifiers><_><internalNodes>0 -1 0 1 0 0 0 0 0 0 0</internalNodes><leafValues>1. -1.</leafValues>
</_></weakClassifiers></_></stages><features><_><rect>0 0 3 3</rect></_></features></cascade>
</opencv_storage>
'''
CASCADE = '/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml'

# name: filters behind the source, encoder, suffix
VIDEOS = {
    'square': ('scale=320:256,setsar=1,format=yuv420p', '-c:v libx264', 'mp4'),
    'wide-4-3': ('scale=240:256,setsar=4/3,format=yuv420p', '-c:v libx264', 'mp4'),
    'wide-2-1': ('scale=160:256,setsar=2/1,format=yuv420p', '-c:v libx264', 'mp4'),
    'high-1-2': ('scale=320:128,setsar=1/2,format=yuv420p', '-c:v libx264', 'mp4'),
    'fields': ('scale=320:256,setsar=1,format=yuv420p,tinterlace=interleave_top',
               '-c:v libx264 -flags +ildct+ilme -x264-params tff=1', 'mp4'),
    'fields-pal': ('scale=320:256,setsar=16/15,format=yuv420p,tinterlace=interleave_top',
                   '-c:v mpeg2video -q:v 2 -flags +ildct+ilme -top 1', 'ts'),
    'mjpeg': ('scale=320:256,setsar=1,format=yuvj420p', '-c:v mjpeg -q:v 2', 'avi'),
    'mjpeg-422': ('scale=240:256,setsar=4/3,format=yuvj422p', '-c:v mjpeg -q:v 2', 'avi'),
}


class Error(C.Structure):
    _fields_ = [('code', C.c_int), ('message', C.c_char * 768)]


class Output(C.Structure):
    _fields_ = [('logits', C.POINTER(C.c_float)), ('features', C.c_void_p), ('n', C.c_int),
                ('n_classes', C.c_int), ('feature_h', C.c_int), ('feature_w', C.c_int),
                ('feature_c', C.c_int)]


class Session:
    """A model with random weights, saved for the element, and run here."""

    def __init__(self, path):
        self.lib = lib = C.CDLL(os.environ['CORED_LIBRARY'])
        for name, result in {'cored_model_info_init': C.c_bool, 'cored_model_new_random': C.c_void_p,
                             'cored_model_save': C.c_bool, 'cored_plan_new': C.c_void_p,
                             'cored_session_new': C.c_void_p, 'cored_session_input': C.c_void_p,
                             'cored_plan_info': C.c_void_p, 'cored_p_fake': C.c_double,
                             'cored_session_run': None}.items():
            getattr(lib, name).restype = result
        error, info = Error(), C.create_string_buffer(1 << 20)
        model = lib.cored_model_info_init(info, b'cored-compact', 2, C.byref(error)) and \
            lib.cored_model_new_random(info, C.c_uint64(9), C.byref(error))
        assert model and lib.cored_model_save(C.c_void_p(model), str(path).encode(),
                                              C.byref(error)), error.message
        self.plan = C.c_void_p(lib.cored_plan_new(C.c_void_p(model), None, C.byref(error)))
        self.session = C.c_void_p(lib.cored_session_new(self.plan, None, C.byref(error)))
        assert self.session, error.message

    def logit(self, tensor):
        output = Output()
        into = self.lib.cored_session_input(self.session)
        C.memmove(into, np.ascontiguousarray(tensor).ctypes.data, tensor.nbytes)
        self.lib.cored_session_run(self.session, C.c_void_p(into), 1, C.byref(output))
        p = self.lib.cored_p_fake(C.c_void_p(self.lib.cored_plan_info(self.plan)), output.logits)
        return math.log(p / (1 - p))


def make(path, source, filters, encoder):
    """FRAMES frames or fewer; tinterlace makes one of two."""
    subprocess.run(['ffmpeg', '-v', 'error', '-y', *source, '-vf', filters, *encoder.split(),
                    '-frames:v', str(FRAMES), path], check=True)


def trained_on(probe, root, cascade, sharpness, folder):
    """{video: [tensor]} of the frames that the trainer uses; cascade None: faces of the network built in."""
    out = Path(folder, 'inputs.raw')
    finder = ['-c', cascade] if cascade else ['-N']
    text = subprocess.run([probe, *finder, '-s', '1', '-n', str(FRAMES), '-w', str(SIZE), '-S',
                           str(round(100 * float(sharpness))), '-o', out, root], capture_output=True, text=True)
    assert text.returncode == 0, text.stdout
    tensors = np.fromfile(out, np.float32).reshape(-1, SIZE, SIZE, 3)
    frames, at = {}, 0
    for line in text.stdout.splitlines():
        if line.startswith('file\t'):
            fields = line.split('\t')
            path, bad, n = fields[1], fields[5], int(fields[6])
            assert not bad, line
            frames[path] = tensors[at:at + n]
            at += n
    assert at == len(tensors)
    return frames


def judged_by_element(video, model, cascade, sharpness):
    """Logits of the frames that the element judges, in order."""
    done = subprocess.run(
        ['gst-launch-1.0', '-m', 'filesrc', f'location={video}', '!', 'decodebin', '!',
         'coreddetect', f'model={model}', *([f'face-cascade={cascade}'] if cascade else []), 'detect-interval=1',
         'message-interval=0', 'max-objects=1', 'smoothing=0', f'min-sharpness={sharpness}', '!',
         'fakesink'], capture_output=True, text=True)
    if done.returncode != 0:
        print('skipped: GStreamer cannot play', video, done.stderr.splitlines()[:3])
        sys.exit(77)
    logits = []
    for line in done.stdout.splitlines():
        found = re.search(r'element\): cored, p-fake=\(double\)([\d.e+-]+)', line)
        if found and 'present\\=\\(boolean\\)true' in line:
            p = float(found.group(1))
            logits.append(math.log(p / (1 - p)))
    return logits


def check(name, source, cascade, sharpness, probe, session, model, folder):
    root = Path(folder, name)
    for i, (video, (filters, encoder, suffix)) in enumerate(VIDEOS.items()):
        path = root / ('real' if i % 2 else 'fake') / f'{video}.{suffix}'
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path, source, filters, encoder)
    bad = False
    for path, tensors in trained_on(probe, root, cascade, sharpness, folder).items():
        want = [session.logit(tensor) for tensor in tensors]
        got = judged_by_element(path, model, cascade, sharpness)
        worst = max((abs(a - b) for a, b in zip(want, got)), default=math.inf)
        spread = max(want) - min(want)
        print(f'{name:9} {Path(path).stem:10} {len(want):2} frames in training, {len(got):2} in use; '
              f'logits over {spread:.4f}, at most {worst:.1e} apart, allowed {TOLERANCE:.0e}')
        bad |= len(want) != len(got) or len(want) < 4 or worst > TOLERANCE or spread < 10 * worst
    return bad


def main(probe, shared):
    with tempfile.TemporaryDirectory() as folder:
        os.environ['GST_REGISTRY'] = str(Path(folder, 'registry.bin'))
        # The same decoder in both, as others round their transforms in other ways.
        os.environ['GST_PLUGIN_FEATURE_RANK'] = ','.join(
            f'avdec_{codec}:MAX' for codec in ('h264', 'mjpeg', 'mpeg2video'))
        model = Path(folder, 'model.safetensors')
        session = Session(model)
        spot = Path(folder, 'spot.xml')
        spot.write_text(SPOT)
        # A spot that moves and grows, in colour, so that chroma matters.
        moving = ('color=size=320x256:rate=24,format=yuv444p,geq='
                  "lum='235*exp(-(pow(X-100-5*N,2)+pow(Y-100-2*N,2))/(2*pow(35+N,2)))':"
                  "cb='128+90*sin(X/5)':cr='128+90*sin(Y/6)'")
        bad = check('synthetic', ['-f', 'lavfi', '-i', moving], spot, '0', probe, session, model,
                    folder)
        videos = sorted(Path(shared, 'data/videos').glob('real/*.mp4'))
        if not videos:
            print(f'not checked on a real video: none in {shared}')
            return int(bad)
        bad |= check('network', ['-i', videos[0]], None, '0.2', probe, session, model, folder)
        if Path(CASCADE).exists():
            bad |= check('real', ['-i', videos[0]], CASCADE, '0.2', probe, session, model, folder)
        else:
            print(f'not checked with a real cascade: no {CASCADE}')
    return int(bad)


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
