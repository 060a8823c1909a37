#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Data sets made here, read by data-probe: formats against Pillow, broken files (T11, T15), odd
# directory entries (T13), leaks between splits (T17), misnamed classes (T18).
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print("skipped: no", missing.name)
    sys.exit(77)

PROBE = sys.argv.pop(1)
SIZE = 32


def picture(seed, w=48, h=40):
    """Smooth colours: how a decoder upsamples chroma matters little once the picture is large."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return small.resize((w, h), Image.BICUBIC)


class Facts:
    def __init__(self, text):
        self.files, self.values, self.error, self.overlap, self.paths = {}, {}, None, None, []
        for line in text.split("\n"):
            f = line.split("\t")
            if f[0] == "file":
                self.paths.append(f[1])
                self.files[os.path.basename(f[1])] = dict(label=int(f[2]), group=int(f[3]), grouped=f[4] == "1",
                                                          reason=f[5], frames=int(f[6]), name=f[7])
            elif f[0] == "error":
                self.error = f[1], f[2]
            elif f[0] == "overlap":
                self.overlap = int(f[1]), int(f[2]), f[3], f[4]
            elif len(f) == 2:
                self.values[f[0]] = f[1]

    def bad(self):
        return {k: v["reason"] for k, v in self.files.items() if v["reason"]}


def probe(*args, **options):
    out = subprocess.run([PROBE, *(a if isinstance(a, bytes) else str(a) for a in args)], capture_output=True,
                         timeout=60, **options)
    text = out.stdout.decode("utf-8", "surrogateescape")
    if out.returncode not in (0, 1):
        raise AssertionError(f"probe {args}: {out.returncode} {text} {out.stderr.decode()}")
    return Facts(text)


def inputs(root, *args):
    path = os.path.join(root, "..", "inputs.f32")
    facts = probe("-w", SIZE, "-o", path, *args, root)
    assert facts.error is None, facts.error
    data = np.fromfile(path, np.float32)
    return facts, data.reshape(-1, SIZE, SIZE, 3)


class DataSets(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.root = os.path.join(self.tmp.name, "D", "Task", "train")
        for c in ("fake", "real"):
            os.makedirs(os.path.join(self.root, c))
            picture(1 if c == "fake" else 2).save(os.path.join(self.root, c, "base.png"))

    def tearDown(self):
        self.tmp.cleanup()

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def write(self, name, data):
        with open(self.path("fake", name), "wb") as f:
            f.write(data)

    def test_formats_match_pillow(self):
        rgb = picture(3, 240, 200)
        saves = {
            "a.jpg": (rgb, dict(quality=95, subsampling=0)), "b.jpeg": (rgb, dict(quality=95)),
            "c.jpg": (rgb, dict(quality=95, progressive=True)), "d.JPG": (rgb.convert("L"), dict(quality=95)),
            "e.jpg": (rgb.convert("CMYK"), dict(quality=95)), "f.png": (rgb, {}),
            "g.png": (rgb.convert("L"), {}), "h.png": (rgb.convert("RGBA"), {}),
            "i.png": (rgb.convert("P", palette=Image.ADAPTIVE), {}), "j.png": (rgb.convert("LA"), {}),
            "k.png": (rgb.convert("1"), {}), "l.bmp": (rgb, {}), "m.webp": (rgb, dict(lossless=True)),
            "n.webp": (rgb, dict(quality=95)), "o.bmp": (rgb.convert("P", palette=Image.ADAPTIVE), {}),
            "q.jpg": (rgb, dict(quality=95, subsampling=1)),
        }
        for name, (image, options) in saves.items():
            image.save(self.path("fake", name), **options)
        deep = np.asarray(rgb.convert("L"), np.uint16) * 257
        Image.fromarray(deep).save(self.path("fake", "p.png"))
        facts, x = inputs(self.root)
        self.assertEqual(facts.bad(), {})
        names = sorted(os.listdir(self.path("fake")))
        for name, got in zip(names, x):
            if name == "p.png":
                image = rgb.convert("L").convert("RGB")
            else:
                image = Image.open(self.path("fake", name)).convert("RGB")
            want = np.asarray(image.resize((SIZE, SIZE), Image.BILINEAR), np.float64) / 127.5 - 1
            worst = np.abs(got - want).max() * 127.5
            lossy = name.endswith((".jpg", ".jpeg", ".JPG")) or name == "n.webp"
            limit = 6 if lossy else 2 if name == "p.png" else 1.01
            with self.subTest(name):
                self.assertLess(worst, limit)
                self.assertLess(np.abs(got - want).mean() * 127.5, 1.5)

    def test_exif_orientation(self):
        rgb = picture(5, 48, 24)
        for code in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = code
            rgb.save(self.path("fake", f"o{code}.jpg"), quality=100, subsampling=0, exif=exif)
        facts, x = inputs(self.root)
        self.assertEqual(facts.bad(), {})
        from PIL import ImageOps
        names = sorted(os.listdir(self.path("fake")))
        for name, got in zip(names, x):
            image = ImageOps.exif_transpose(Image.open(self.path("fake", name))).convert("RGB")
            want = np.asarray(image.resize((SIZE, SIZE), Image.BILINEAR), np.float64) / 127.5 - 1
            with self.subTest(name):
                self.assertLess(np.abs(got - want).max() * 127.5, 4)

    def test_truncated_everywhere(self):
        files = {}
        for name, options in (("t.jpg", {}), ("p.jpg", dict(progressive=True)), ("t.png", {}),
                              ("t.bmp", {}), ("t.webp", dict(lossless=True)), ("l.webp", {})):
            path = os.path.join(self.tmp.name, name)
            picture(7).save(path, **options)
            data = open(path, "rb").read()
            for percent in range(100):
                cut = len(data) * percent // 100
                files[f"{percent:02}-{name}"] = data[:cut]
        for name, data in files.items():
            self.write(name, data)
        facts = probe("-j", 2, self.root)
        self.assertEqual(set(facts.bad()), set(files))
        self.assertEqual(facts.values["samples"], "2")
        self.assertEqual(facts.values["bad"], str(len(files)))

    def test_broken_and_hostile(self):
        path = os.path.join(self.tmp.name, "x.png")
        picture(9).save(path)
        png = open(path, "rb").read()
        picture(9).save(path + ".jpg")
        jpg = open(path + ".jpg", "rb").read()
        at = png.index(b"IDAT")
        crc = bytearray(png)
        crc[at + 20] ^= 1
        self.write("crc.png", bytes(crc))
        self.write("empty.jpg", b"")
        self.write("text.jpg", b"this is no picture\n" * 9)
        self.write("gif.png", b"GIF89a" + bytes(40))

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0))
        self.write("bomb.png", huge + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
        sof = jpg.index(b"\xff\xc0")
        big = bytearray(jpg)
        big[sof + 5:sof + 9] = b"\xff\xff\xff\xff"
        self.write("bomb.jpg", bytes(big))
        picture(11).save(path + ".p.jpg", progressive=True)
        progressive = open(path + ".p.jpg", "rb").read()
        last = progressive.rindex(b"\xff\xda")
        self.write("scans.jpg", progressive[:-2] + progressive[last:-2] * 400 + b"\xff\xd9")
        bomb = zlib.compress(bytes(200 << 20), 9)
        good = png[:33] + chunk(b"zTXt", b"k\0\0" + bomb) + png[33:]
        self.write("text-bomb.png", good)  # cut out, so the picture is fine and costs no memory
        self.write("wrong-name.png", jpg)  # content decides
        facts = probe(self.root)
        self.assertEqual(sorted(facts.bad()), ["bomb.jpg", "bomb.png", "crc.png", "empty.jpg", "gif.png",
                                               "scans.jpg", "text.jpg"])
        self.assertIn("65535x65535", facts.bad()["bomb.png"])
        self.assertIn("empty", facts.bad()["empty.jpg"])
        self.assertIn("not a JPEG", facts.bad()["text.jpg"])
        self.assertIn("pixels", probe("-p", 100, self.root).error[1] + "pixels")

    def test_content_decides_whatever_the_name(self):
        path = os.path.join(self.tmp.name, "x.jpg")
        picture(9).save(path)
        jpg = open(path, "rb").read()
        heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
        for name, data in {"IMG_1.HEIC": jpg, "IMG_2.heif": jpg, "IMG_3.HEIC": heic, "IMG_4.jpg": heic,
                           "IMG_5.gif": b"GIF89a" + bytes(40), "IMG_6.tiff": b"II*\0" + bytes(40)}.items():
            self.write(name, data)
        facts = probe(self.root)
        self.assertEqual(facts.values["ignored"], "0")
        self.assertEqual(sorted(facts.bad()), ["IMG_3.HEIC", "IMG_4.jpg", "IMG_5.gif", "IMG_6.tiff"])
        for name in ("IMG_3.HEIC", "IMG_4.jpg"):
            self.assertEqual(facts.bad()[name],
                             "a HEIC (HEIF) picture, which is not read: convert it to JPEG or PNG")
        self.assertIn("GIF", facts.bad()["IMG_5.gif"])
        self.assertIn("TIFF", facts.bad()["IMG_6.tiff"])

    def test_every_flipped_byte_is_survived(self):
        path = os.path.join(self.tmp.name, "x")
        rng = np.random.default_rng(1)
        for kind, extension in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp")):
            picture(13, 20, 20).save(path, kind)
            data = bytearray(open(path, "rb").read())
            for i in range(60):
                broken = data[:]
                broken[rng.integers(0, len(data))] ^= 1 << rng.integers(0, 8)
                self.write(f"{i}.{extension}", bytes(broken))
        self.assertIsNone(probe("-j", 2, "-w", SIZE, self.root).error)

    def test_odd_entries(self):
        os.mkfifo(self.path("fake", "fifo.jpg"))
        os.symlink("nowhere.jpg", self.path("fake", "dangling.jpg"))
        os.symlink("loop.jpg", self.path("fake", "loop.jpg"))
        os.symlink("..", self.path("fake", "up"))
        os.symlink("base.png", self.path("fake", "link.png"))
        os.symlink("/dev/zero", self.path("fake", "zero.jpg"))
        os.mkdir(self.path("fake", "folder.jpg"))
        picture(4).save(self.path("fake", "folder.jpg", "deep.png"))
        picture(4).save(os.fsencode(self.path("fake", "bad")) + b"\xff.png", format="PNG")
        self.write(".hidden.jpg", b"x")
        self.write("notes.txt", b"x")
        s = socket.socket(socket.AF_UNIX)
        s.bind(self.path("fake", "socket.jpg"))
        facts = probe(self.root)
        s.close()
        self.assertIsNone(facts.error)
        self.assertEqual(sorted(facts.bad()), ["dangling.jpg", "fifo.jpg", "loop.jpg", "socket.jpg", "zero.jpg"])
        self.assertEqual(facts.bad()["fifo.jpg"], "not a regular file")
        self.assertEqual(facts.bad()["dangling.jpg"], "dangling link")
        # The two base pictures, deep.png and the one whose name is no UTF-8.
        self.assertEqual(facts.values["samples"], "4")
        self.assertEqual(facts.values["ignored"], "1")  # notes.txt
        self.assertEqual(facts.values["repeated"], "2")  # link.png and the link back up

    def test_links_count_once(self):
        """However many lead to a picture, in circles or not, it is one sample, under its own name."""
        os.mkdir(self.path("fake", "zz"))
        picture(50).save(self.path("fake", "zz", "p.png"))
        for i in range(42):
            os.symlink("zz", self.path("fake", f"link{i:02}"))
            os.symlink("..", self.path("fake", "zz", f"back{i:02}"))
        os.link(self.path("fake", "base.png"), self.path("fake", "hard.png"))
        outside = os.path.join(self.tmp.name, "outside")
        os.mkdir(outside)
        picture(51).save(os.path.join(outside, "far.png"))
        os.symlink(outside, self.path("real", "b"))
        os.symlink(outside, self.path("real", "a"))
        os.symlink(self.tmp.name, self.path("real", "all"))  # a folder that the set lies in
        facts = probe(self.root)
        self.assertIsNone(facts.error)
        self.assertEqual(sorted(facts.paths), sorted(
            self.path(*p) for p in (("fake", "base.png"), ("fake", "zz", "p.png"), ("real", "base.png"),
                                    ("real", "a", "far.png"))))
        self.assertEqual(facts.values["repeated"], str(42 + 42 + 1 + 1 + 1))

    def test_links_between_classes(self):
        for target, name in (("../fake", "other"), ("../fake/base.png", "other.png"), ("../fake", "deep/../other")):
            os.symlink(target, self.path("real", name))
            error = probe(self.root).error
            self.assertEqual(error[0], "DATASET")
            self.assertIn(os.path.basename(name) + "' leads from class 'real' to what is of class 'fake'", error[1])
            os.remove(self.path("real", name))
            os.makedirs(self.path("real", "deep"), exist_ok=True)
        os.rename(self.path("fake"), self.path("away"))
        os.symlink("real", self.path("fake"))
        self.assertIn("to what is of class 'fake'", probe(self.root).error[1])

    def test_pictures_of_kinds_that_are_not_read(self):
        """They are told, and a JPEG file with a wrong name is what it is."""
        picture(60).save(self.path("fake", "phone.HEIC"), "JPEG")
        picture(61).save(self.path("fake", "anim.gif"))
        picture(62).save(self.path("fake", "scan.tiff"))
        self.write("clip.wmv", b"")
        facts = probe(self.root)
        self.assertEqual(facts.values["samples"], "3")
        self.assertEqual(sorted(facts.bad()), ["anim.gif", "clip.wmv", "scan.tiff"])
        self.assertIn("a GIF picture", facts.bad()["anim.gif"])

    def test_folders_beside_the_classes(self):
        os.mkdir(self.path("fake2"))
        os.mkdir(self.path("Other"))
        self.write("../notes.txt", b"")
        self.assertEqual(probe(self.root).values["unread"], "2 Other")
        os.mkdir(self.path("REAL"))
        self.assertIn("has the folders 'REAL' and 'real': which of them is class 'real'?", probe(self.root).error[1])
        os.rename(self.path("real"), self.path("1"))
        self.assertIn("'real'", probe(self.root).error[1])
        self.assertIn("which of them", probe("-m", "1=real", self.root).error[1])

    def test_map_that_cannot_be_meant(self):
        for text, reason in (("real", "expected FOLDER=CLASS"), ("=real", "expected FOLDER=CLASS"),
                             ("a/b=real", "the name of a folder"), ("real=Real", "the classes are 'fake', 'real'"),
                             ("fake=fake,,", "expected FOLDER=CLASS"), ("a=real,b=real", "'real' is given twice")):
            error = probe("-m", text, self.root).error
            self.assertEqual(error and error[0], "ARGUMENT", text)
            self.assertIn(reason, error[1])

    def test_wrong_folder_names_what_is_there(self):
        """Whole names, and how many more there are."""
        os.rename(self.path("real"), self.path("photos"))
        for i in range(60):
            os.mkdir(self.path(f"folder {i:02} with a name"))
        message = probe(self.root).error[1]
        self.assertRegex(message, r"only 'fake'(, 'folder \d\d with a name')+ and \d+ more; rename the folder")
        self.assertEqual(message.count("'folder ") + int(re.search(r"and (\d+) more", message)[1]) + 1, 62)
        shutil.rmtree(self.root)
        os.mkdir(self.root)
        os.mkdir(self.path("n" * 250))
        self.assertIn("only 1 with long names; rename", probe(self.root).error[1])

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_what_may_not_be_read(self):
        """A folder that is closed is an error, a closed file is a bad one: nothing is less than it looks."""
        os.chmod(self.tmp.name, 0o755)
        picture(63).save(self.path("fake", "closed.png"))
        os.chmod(self.path("fake", "closed.png"), 0)
        facts = probe(self.root, user=65534)
        self.assertEqual(facts.bad(), {"closed.png": "Permission denied"})
        os.makedirs(self.path("fake", "sub", "deep"))
        for closed, mode in (("sub", 0), ("sub", 0o444)):
            os.chmod(self.path("fake", closed), mode)
            error = probe(self.root, user=65534).error
            self.assertIn("fake/sub", error[1])
            self.assertIn("Permission denied", error[1])
        os.chmod(self.path("fake"), 0)
        self.assertIn("fake': Permission denied", probe(self.root, user=65534).error[1])

    def test_layout_errors(self):
        os.rename(self.path("real"), self.path("Real"))
        code, message = probe(self.root).error
        self.assertEqual(code, "DATASET")
        self.assertIn("'Real'", message)
        self.assertIn("--map", message)
        self.assertIsNone(probe("-m", "Real=real", self.root).error)
        os.rename(self.path("Real"), self.path("1_real"))
        os.rename(self.path("fake"), self.path("0_fake"))
        facts = probe("-m", "0_fake=fake,1_real=real", self.root)
        self.assertEqual([facts.values["samples"], facts.values["bad"]], ["2", "0"])
        self.assertIn("No such file", probe(self.path("missing")).error[1])
        os.mkdir(self.path("fake"))
        os.mkdir(self.path("real"))
        self.assertIn("empty", probe(self.root).error[1])
        for c in ("fake", "real"):
            with open(self.path(c, "x.jpg"), "wb") as f:
                f.write(b"no picture")
        self.assertIn("not one file of class 'fake'", probe(self.root).error[1])

    def test_splits_that_share(self):
        val = os.path.join(self.tmp.name, "D", "Task", "val")
        for c in ("fake", "real"):
            os.makedirs(os.path.join(val, c))
        picture(2).save(os.path.join(val, "fake", "other-name.png"))  # train/real/base.png
        picture(21).save(os.path.join(val, "real", "id07_0002.png"))
        picture(22).save(self.path("fake", "id07_0001.png"))
        picture(23).save(self.path("fake", "img_0001.png"))
        picture(24).save(os.path.join(val, "real", "img_0002.png"))
        os.mkdir(self.path("fake", "clip"))
        os.mkdir(os.path.join(val, "fake", "clip"))
        picture(25).save(self.path("fake", "clip", "1.png"))
        picture(26).save(os.path.join(val, "fake", "clip", "2.png"))
        facts = probe(self.root, val)
        self.assertEqual(facts.overlap[:2], (1, 2))  # id07 and clip; img_ is no video
        self.assertTrue(facts.overlap[2].endswith("train/real/base.png"))

    def test_manifest_groups(self):
        for i in range(4):
            picture(30 + i).save(self.path("real", f"r{i}.png"))
        with open(os.path.join(self.tmp.name, "D", "manifest.csv"), "w") as f:
            f.write("path,task,group,bytes\r\n")
            for i in range(4):
                f.write(f'"Task/train/real/r{i}.png",Task,"scene ""{i // 2}""",1\r\n')
        facts = probe(self.root)
        g = [facts.files[f"r{i}.png"]["group"] for i in range(4)]
        self.assertEqual((g[0], g[2]), (g[1], g[3]))
        self.assertNotEqual(g[0], g[2])
        self.assertEqual(facts.values["groups"], "4")
        self.assertFalse(facts.files["base.png"]["grouped"])

    def manifest(self, data, name="manifest.csv"):
        with open(os.path.join(self.tmp.name, "D", name), "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)

    def test_manifest_spellings(self):
        """Whatever people's programs write: the four files get their groups."""
        for i in range(4):
            picture(30 + i).save(self.path("real", f"r{i}.png"))
        plain = "path,group\n" + "".join(f"Task/train/real/r{i}.png,g{i // 2}\n" for i in range(4))
        folder = os.path.realpath(os.path.join(self.tmp.name, "D"))
        spellings = {
            "plain": plain, "no last line end": plain.rstrip(), "mark": b"\xef\xbb\xbf" + plain.encode(),
            "CRLF": plain.replace("\n", "\r\n"), "CR": plain.replace("\n", "\r"),
            "semicolon": plain.replace(",", ";"), "tab": plain.replace(",", "\t"), "blanks": plain.replace(",", " , "),
            "sep": "sep=;\r\n" + plain.replace(",", ";").replace("\n", "\r\n"),
            "UTF-16 LE": plain.encode("utf-16"), "UTF-16 BE": b"\xfe\xff" + plain.encode("utf-16-be"),
            "dot": plain.replace("Task/", "./Task/"), "dots": plain.replace("Task/", ".//./Task//./"),
            "absolute": plain.replace("Task/", folder + "/Task/"),
            "backslash": plain.replace("/", "\\"), "capitals": plain.replace("real/r", "Real/R"),
            "columns": plain.replace("path,group", " Path ,GROUP"), "empty lines": plain.replace("\n", "\n\n,\n"),
            "quotes": plain.replace("Task", '"Task').replace(".png", '.png"').replace("path", '"path"'),
            "more columns": "a,path,b,group,c\n" + "".join(
                f'"x\n,""",Task/train/real/r{i}.png,;,"g{i // 2}" ,\n' for i in range(4)),
            "others": plain + "Task/val/real/r0.png,g9\nOther/train/fake/x.png,g8\n",
            "twice": plain + plain.split("\n")[1] + "\n",
        }
        for name, text in spellings.items():
            with self.subTest(name):
                self.manifest(text)
                facts = probe(self.root)
                self.assertIsNone(facts.error)
                self.assertEqual(facts.values["told"], "4")
                self.assertEqual([facts.files[f"r{i}.png"]["name"] for i in range(4)], ["g0", "g0", "g1", "g1"])
                self.assertEqual(facts.values["groups"], "4")
        os.remove(os.path.join(self.tmp.name, "D", "manifest.csv"))
        self.manifest(plain, "Manifest.CSV")
        self.assertEqual(probe(self.root).values["told"], "4")
        # Beside the class folders, where it is nearer than the other.
        with open(os.path.join(self.root, "manifest.csv"), "w", encoding="utf-8") as file:
            file.write(plain.replace("Task/train/", "").replace(",g0", ",h0").replace(",g1", ",h1"))
        facts = probe(self.root)
        self.assertIsNone(facts.error)
        self.assertEqual(facts.values["told"], "4")
        self.assertEqual(facts.files["r3.png"]["name"], "h1")

    def test_manifest_that_is_not_understood(self):
        for i in range(4):
            picture(30 + i).save(self.path("real", f"r{i}.png"))
        plain = "path,group\n" + "".join(f"Task/train/real/r{i}.png,g{i // 2}\n" for i in range(4))
        cases = (
            ("", "line 1: expected the columns 'path' and 'group'"),
            ("path,label\nTask/train/real/r0.png,real\n", "line 1: expected the columns 'path' and 'group', found"),
            (plain.replace("path,group\n", ""), "line 1: expected the columns"),
            ("path,group\n", "line 1: no file is named"),
            ("path,group,group\n", "line 1: two columns called 'group'"),
            (plain.replace("Task/", "task-1/"), "line 2: no path names a file of this data set; the first is "
                                                "'task-1/train/real/r0.png', expected was one like 'Task/train/"),
            (plain.replace("r3.png", "r33.png"), "line 5: there is no file 'Task/train/real/r33.png'"),
            (plain.replace("r2.png,g1", "r2.png"), "line 4: expected 2 fields, as many as in the first line, found 1"),
            (plain.replace("r2.png,g1", "r2.png,g1,x"), "line 4: expected 2 fields, as many as in the first line, "
                                                        "found 3"),
            (plain.replace("r1.png,g0", 'r1.png,"g0'), "line 3: a quote that does not end"),
            (plain.replace("r1.png,g0", 'r1.png,"g"0'), "line 3: text behind the end of a quoted field"),
            (plain + "Task/train/real/r1.png,g7\n", "line 6: 'Task/train/real/r1.png' is of group 'g7' here and 'g0' "
                                                    "in line 3"),
            (plain + ",g7\n", "line 6: the path is empty"),
            (plain.encode("utf-16-le"), "line 1: a zero byte; UTF-16 needs a byte-order mark"),
            (plain.encode("utf-16")[:-1], "line 1: the file begins like UTF-16, but is not"),
        )
        for text, reason in cases:
            with self.subTest(reason):
                self.manifest(text)
                error = probe(self.root).error
                self.assertEqual(error and error[0], "DATASET")
                self.assertIn("manifest.csv', " + reason, error[1])
        self.manifest(plain)
        self.manifest(plain, "MANIFEST.csv")
        self.assertIn("in different capitals", probe(self.root).error[1])
        for name in ("MANIFEST.csv", "manifest.csv"):
            os.remove(os.path.join(self.tmp.name, "D", name))
        os.mkfifo(os.path.join(self.tmp.name, "D", "manifest.csv"))
        self.assertIn("not a regular file", probe(self.root).error[1])

    def test_manifest_with_capitals_that_tell_files_apart(self):
        picture(30).save(self.path("real", "r.png"))
        picture(31).save(self.path("real", "R.png"))
        self.manifest("path,group\nTask/train/real/r.png,small\nTask/train/real/R.png,large\n"
                      "Task/train/REAL/BASE.png,base\n")
        facts = probe(self.root)
        self.assertEqual({n: f["name"] for n, f in facts.files.items() if n != "base.png"},
                         {"r.png": "small", "R.png": "large"})
        self.assertEqual(facts.values["told"], "3")
        self.manifest("path,group\nTask/train/real/r.png,small\n")  # not of R.png
        facts = probe(self.root)
        self.assertEqual((facts.files["r.png"]["name"], facts.files["R.png"]["grouped"]), ("small", False))

    def test_same_bytes_in_two_classes(self):
        picture(30).save(self.path("real", "one.png"))
        picture(30).save(self.path("fake", "other.png"))
        error = probe(self.root).error
        self.assertEqual(error[0], "DATASET")
        self.assertIn("the same bytes are in two classes 1 times, such as", error[1])
        self.assertIn("fake/other.png' (fake) and", error[1])
        self.assertIn("real/one.png' (real)", error[1])

    def test_manifest_hash_sees_content_and_labels(self):
        first = probe(self.root).values["manifest"]
        self.assertEqual(first, probe("-j", 2, self.root).values["manifest"])
        picture(99).save(self.path("fake", "base.png"))
        second = probe(self.root).values["manifest"]
        os.rename(self.path("fake", "base.png"), self.path("fake", "moved.png"))
        third = probe(self.root).values["manifest"]
        self.assertEqual(len({first, second, third}), 3)

    def test_threads_and_cache_change_nothing(self):
        for i in range(12):
            picture(40 + i).save(self.path("real", f"{i}.jpg"))
        _, one = inputs(self.root, "-j", 1)
        _, two = inputs(self.root, "-j", 3, "-k", 0)
        _, some = inputs(self.root, "-k", 5 * SIZE * SIZE * 12)
        self.assertTrue((one == two).all() and (one == some).all())

    def video(self, name, *options, frames=25):
        path = self.path("fake", name)
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25", "-frames:v",
                        str(frames), *options, path], check=True)
        return path

    def test_videos(self):
        try:
            path = self.video("good.mp4")
        except FileNotFoundError:
            self.skipTest("no ffmpeg program")
        self.video("other.avi", "-c:v", "mjpeg")
        data = open(path, "rb").read()
        self.write("no-moov.mp4", data[:data.index(b"moov") - 4])
        self.write("cut.mp4", data[:len(data) // 3])
        self.write("empty.mp4", b"")
        self.write("list.mp4", b"ffconcat version 1.0\nfile good.mp4\n")
        self.write("hls.mp4", b"#EXTM3U\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n")
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=0.2", self.path("fake", "audio.mkv")],
                       check=True)
        os.mkfifo(self.path("fake", "fifo.mp4"))
        facts = probe("-w", SIZE, "-s", 4, self.root)
        self.assertEqual(sorted(facts.bad()), ["audio.mkv", "cut.mp4", "empty.mp4", "fifo.mp4", "hls.mp4",
                                               "list.mp4", "no-moov.mp4"])
        self.assertEqual((facts.files["good.mp4"]["frames"], facts.files["other.avi"]["frames"]), (7, 7))
        self.assertEqual(facts.values["samples"], "16")
        facts = probe("-w", SIZE, "-s", 1, "-n", 3, self.root)
        self.assertEqual(facts.files["good.mp4"]["frames"], 3)
        error = probe("-w", SIZE, "-v", 1000, self.root).error
        self.assertEqual(error[0], "NO_MEMORY")
        self.assertIn("fewer", error[1])

    def test_threads_share_the_memory_for_videos(self):
        """Several threads that keep frames at once get no more than one would: a frame fewer is an error."""
        try:
            path = self.video("v00.avi", "-c:v", "mjpeg", frames=1)
        except FileNotFoundError:
            self.skipTest("no ffmpeg program")
        for i in range(1, 32):
            with open(path, "rb") as f:
                self.write(f"v{i:02}.avi", f.read() + bytes([i]))
        frame = 512 * 512 * 12
        for _ in range(3):
            facts = probe("-w", 512, "-k", 0, "-j", 32, "-v", 31 * frame, self.root)
            self.assertEqual(facts.error and facts.error[0], "NO_MEMORY")
            self.assertEqual(probe("-w", 512, "-k", 0, "-j", 32, "-v", 3 * frame, self.root).error[0], "NO_MEMORY")
        self.assertIsNone(probe("-w", 512, "-k", 0, "-j", 32, "-v", 32 * frame, self.root).error)

    def test_bad_videos_give_their_memory_back(self):
        try:
            path = self.video("good.avi", "-c:v", "mjpeg")
        except FileNotFoundError:
            self.skipTest("no ffmpeg program")
        with open(path, "rb") as f:
            data = f.read()
        for i in range(8):  # many good frames, then a broken one
            self.write(f"a{i}.avi", data[:data.index(b"idx1") - 200 - i])
        facts = probe("-w", SIZE, "-s", 1, "-v", 25 * SIZE * SIZE * 12, self.root)
        self.assertIsNone(facts.error)
        self.assertEqual(len(facts.bad()), 8)
        self.assertEqual(facts.files["good.avi"]["frames"], 25)

    def test_videos_that_change(self):
        """T15: another size in the middle, frames at uneven times."""
        try:
            small = self.video("small.mpg", "-c:v", "mpeg2video")
        except FileNotFoundError:
            self.skipTest("no ffmpeg program")
        large = self.video("large.mpg", "-c:v", "mpeg2video", "-s", "160x120")
        self.write("both.mpg", open(small, "rb").read() + open(large, "rb").read())
        self.video("uneven.mkv", "-vf", "select='not(mod(n,3))+not(mod(n,5))'", "-vsync", "vfr", frames=12)
        facts = probe("-w", SIZE, "-s", 1, "-n", 100, self.root)
        self.assertEqual(facts.bad(), {})
        for name, least in (("small.mpg", 25), ("large.mpg", 25), ("both.mpg", 49), ("uneven.mkv", 12)):
            there = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
                                    "stream=nb_read_frames", "-of", "csv=p=0", self.path("fake", name)],
                                   check=True, capture_output=True, text=True).stdout
            self.assertEqual(facts.files[name]["frames"], int(there.strip().rstrip(",")), name)
            self.assertGreaterEqual(int(there.strip().rstrip(",")), least)

    def test_faces(self):
        cascade = "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml"
        videos = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/data/videos")
        if not (os.path.exists(cascade) and os.path.isdir(videos)):
            self.skipTest("no opencv-data or no ../shared/data/videos")
        for c in ("fake", "real"):
            for name in os.listdir(os.path.join(videos, c)):
                os.symlink(os.path.realpath(os.path.join(videos, c, name)), self.path(c, name))
        facts = probe("-c", cascade, "-w", SIZE, "-n", 2, "-s", 10, "-j", 2, self.root)
        self.assertEqual(facts.bad(), {})
        self.assertEqual({f["frames"] for n, f in facts.files.items() if n.endswith(".mp4")}, {2})
        facts = probe("-c", cascade, "-f", "-w", SIZE, "-n", 1, self.root)
        self.assertEqual(facts.bad(), {"base.png": "no face of 64 or more pixels was found"})


if __name__ == "__main__":
    unittest.main(warnings="ignore")
