# SPDX-License-Identifier: MIT
"""The four published MesoNet files, imported and run by the engine, against NumPy and against the
published probabilities. Pictures are scaled to the network's input outside, by OpenCV's bilinear
resize, with which the published figures come out; our own resize has its own tests.

    meso.test.py CONVERT RUN_MODEL SHARED

Exit code 77: a module or the published files are absent."""
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import cv2
    import meso_numpy
except ImportError as missing:
    print('skipped:', missing)
    sys.exit(77)

TOLERANCE = 1e-4
# P(real) of Meso4_DF on its four test images, two decimals as published.
PUBLISHED = {'df00204.jpg': 0.05, 'df01254.jpg': 0.03, 'real00240.jpg': 0.99, 'real00772.jpg': 1.00}


def main(convert, run_model, shared):
    weights = Path(shared, 'data/weights/mesonet')
    if not weights.is_dir():
        print('skipped: no', weights)
        return 77
    images = sorted(weights.glob('test_images/*/*.jpg'))
    if {image.name for image in images} != set(PUBLISHED):
        sys.exit('the official test images are not those expected')
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for h5 in sorted(weights.glob('*.h5')):
            model = Path(folder, h5.stem + '.safetensors')
            subprocess.run([convert, 'import', '-q', h5, '-o', model], check=True)
            for image in images:
                picture = cv2.resize(cv2.imread(str(image)), (256, 256))[..., ::-1]
                expected = meso_numpy.p_real(h5, picture / 255.0)
                raw = Path(folder, 'raw')
                raw.write_bytes(picture.tobytes())
                out = subprocess.run([run_model, model, '256', '256', raw], check=True,
                                     capture_output=True, text=True).stdout
                found = 1 - float(out.split()[0])
                worst = max(worst, abs(found - expected))
                print(f'{h5.stem:18} {image.name:14} P(real): NumPy {expected:.6f}, '
                      f'engine {found:.6f}')
                if h5.stem == 'Meso4_DF' and abs(found - PUBLISHED[image.name]) > 0.005:
                    sys.exit(f'published is {PUBLISHED[image.name]:.2f}')
    print(f'largest difference {worst:.2e}, allowed {TOLERANCE:.0e}')
    return 0 if worst <= TOLERANCE else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
