# SPDX-License-Identifier: MIT
"""docs/overlay.py makes the picture of the README, and says what is wrong where it cannot.

    overlay.test.py docs/overlay.py docs/overlay.png      with GST_PLUGIN_PATH set
"""
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import gi
    gi.require_version('Gst', '1.0')
    from gi.repository import Gst
    from PIL import Image, ImageChops
except (ImportError, ValueError) as error:
    print('skipped:', error)
    sys.exit(77)

SCRIPT, PICTURE = sys.argv[1:]
spec = importlib.util.spec_from_file_location('overlay', SCRIPT)
overlay = importlib.util.module_from_spec(spec)
spec.loader.exec_module(overlay)


def run(*arguments, **environment):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


def drawn(image):
    """Where the overlay changed the picture, as a mask of 0 and 255."""
    difference = ImageChops.difference(image, overlay.picture()).convert('L')
    return difference.point(lambda value: 255 if value > 16 else 0)


def area(mask):
    return mask.histogram()[255]


class Overlay(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_picture(self):
        Gst.init(None)
        if not Gst.ElementFactory.find('pngenc'):
            self.skipTest('no element pngenc')
        path = os.path.join(self.folder, 'a %02d.png')
        done = run(path)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '', ''))
        self.assertEqual(os.listdir(self.folder), ['a %02d.png'])
        ours, known = Image.open(path).convert('RGB'), Image.open(PICTURE).convert('RGB')
        self.assertEqual(ours.size, known.size)
        # Fonts differ from machine to machine, and little else does.
        now, then = drawn(ours), drawn(known)
        both, either = area(ImageChops.darker(now, then)), area(ImageChops.lighter(now, then))
        self.assertGreater(both, 30000)
        self.assertGreater(both, 0.7 * either)
        # The left edges of the frames: green around the first face, red around the second.
        for (x, y, *_), greater in zip(overlay.FACES, (1, 0)):
            edge = ours.crop((x - 90, y - 100, x - 80, y + 40))
            coloured = [pixel for pixel in edge.getdata() if pixel[greater] > pixel[1 - greater] + 60]
            self.assertGreater(len(coloured), 140)

    def test_problems(self):
        for arguments in ((), ('a', 'b'), ('--help',)):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn('usage: ', done.stderr)
        done = run(os.path.join(self.folder, 'none', 'a.png'))
        self.assertEqual((done.returncode, done.stderr.count('\n')), (1, 1), done)
        done = run('a.png', GST_PLUGIN_PATH='', GST_REGISTRY=os.path.join(self.folder, 'registry.bin'))
        self.assertEqual((done.returncode, done.stderr),
                         (1, 'overlay.py: no element coredoverlay; is GST_PLUGIN_PATH set?\n'), done)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
