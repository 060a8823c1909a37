#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is built and what `meson install` leaves: hardened programs and libraries, a plugin that GStreamer finds.

    installed.py MESON SOURCE_ROOT BUILD_ROOT FORTIFIED PLUGIN [CASE...]

FORTIFIED is the level of _FORTIFY_SOURCE of the build, 0 for none; PLUGIN says if the plugin was built.
The tree is installed into a temporary folder."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

MESON, SOURCE, BUILD, FORTIFIED, PLUGIN = (sys.argv.pop(1) for _ in range(5))


def text(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        subprocess.run([MESON, "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.tmp.name], check=True,
                       stdout=subprocess.DEVNULL)
        cls.files = files = [os.path.join(folder, name) for folder, _, names in os.walk(cls.tmp.name) for name in names]
        cls.elf = [path for path in files if not os.path.islink(path) and is_elf(path)]

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def each(self, check):
        for path in self.elf:
            with self.subTest(os.path.basename(path)):
                check(path)

    def test_all_are_there(self):
        names = {os.path.basename(path) for path in self.elf}
        self.assertLessEqual({"cored-convert"}, names)
        self.assertTrue(any(name.startswith("libcored.so") for name in names), names)

    def test_the_model_that_is_built_in_is_there_with_its_licence(self):
        """As a file for who wants it; programs have it in them."""
        for name in ("yunet-n.safetensors", "LICENSE", "README.md"):
            with open(os.path.join(SOURCE, "models", name), "rb") as f:
                want = f.read()
            found = [path for path in self.files if path.endswith("/" + name) and "cored" in path]
            self.assertEqual([open(path, "rb").read() == want for path in found], [True], name)
            if name.endswith(".safetensors"):
                end = want[-1000:]
                holders = [os.path.basename(path) for path in self.elf if end in open(path, "rb").read()]
                self.assertTrue(any(name.startswith("libcored.so") for name in holders), holders)
                self.assertEqual("libgstcored.so" in holders, PLUGIN == "true", holders)

    def test_addresses_are_random(self):
        self.each(lambda path: self.assertRegex(text("readelf", "-hW", path), r"Type: +DYN"))

    def test_relocations_are_read_only(self):
        self.each(lambda path: self.assertIn("GNU_RELRO", text("readelf", "-lW", path)))
        self.each(lambda path: self.assertRegex(text("readelf", "-dW", path), r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW"))

    def test_no_stack_can_be_executed(self):
        self.each(lambda path: self.assertRegex(text("readelf", "-lW", path), r"GNU_STACK( +0x\w+){5} RW +0x"))

    @unittest.skipIf(FORTIFIED == "0", "built without _FORTIFY_SOURCE: no optimizer, or a sanitizer")
    def test_functions_are_fortified(self):
        """What the compiler cannot prove to fit goes through the C library's checks."""
        self.each(lambda path: self.assertRegex(text("readelf", "-W", "--dyn-syms", path), r"__\w+_chk@"))

    def test_stacks_are_guarded(self):
        self.each(lambda path: self.assertIn("__stack_chk_fail", text("readelf", "-W", "--dyn-syms", path)))

    @unittest.skipIf(os.uname().machine != "x86_64", "not x86-64")
    def test_branches_have_landing_pads(self):
        """Functions begin with endbr64, so that indirect branches cannot go elsewhere where the CPU forbids it."""
        def check(path):
            with open(path, "rb") as f:
                self.assertGreater(f.read().count(b"\xf3\x0f\x1e\xfa"), 5)  # the C library's start has some
        self.each(check)


class Compiler(unittest.TestCase):
    def test_deprecations_break_no_build(self):
        """A source that calls what its header deprecates, compiled like the engine's with warnings as errors."""
        with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
            entry = next(e for e in json.load(f) if e["file"].endswith("engine/base/error.c"))
        command = shlex.split(entry["command"])
        command = command[:command.index("-MD")] + ["-Werror", "-Wdeprecated-declarations"]
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "source.c")
            with open(source, "w", encoding="utf-8") as f:
                f.write("int old(void) __attribute__((deprecated));\nint user(void);\n"
                        "int user(void) {\n  return old();\n}\n")
            done = subprocess.run([*command, "-c", source, "-o", os.path.join(folder, "object.o")],
                                  cwd=entry["directory"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("deprecated", done.stderr)


def configured(folder, prefix):
    """Where a build with this prefix puts the plugin."""
    build = os.path.join(folder, "build")
    subprocess.run([MESON, "setup", build, SOURCE, "--prefix", prefix, "-Dtests=false"], check=True,
                   stdout=subprocess.DEVNULL)
    places = json.loads(text(MESON, "introspect", "--installed", build))
    return next(place for place in places.values() if place.endswith("/libgstcored.so"))


@unittest.skipIf(PLUGIN != "true" or not shutil.which("gst-inspect-1.0"), "no plugin, or no gst-inspect-1.0")
class Plugin(unittest.TestCase):
    """Where GStreamer looks, as the user that installed it: without a registry of anybody."""

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def put(self, place):
        os.makedirs(os.path.dirname(place))
        shutil.copy(os.path.join(BUILD, "plugin", "libgstcored.so"), place)

    def inspect(self, **variables):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GST_", "XDG_"))}
        env.update(HOME=self.tmp.name, GST_REGISTRY=os.path.join(self.tmp.name, "registry.bin"), **variables)
        return subprocess.run(["gst-inspect-1.0", "coreddetect"], env=env, stdout=subprocess.PIPE, text=True)

    def test_the_prefix_of_gstreamer(self):
        prefix, folder = (text("pkg-config", "--variable=" + name, "gstreamer-1.0").strip()
                          for name in ("prefix", "pluginsdir"))
        self.assertEqual(configured(self.tmp.name, prefix), os.path.join(folder, "libgstcored.so"))

    def test_the_prefix_of_a_user(self):
        place = configured(self.tmp.name, os.path.join(self.tmp.name, ".local"))
        self.put(place)
        found = self.inspect()
        self.assertEqual(found.returncode, 0)
        self.assertIn(place, found.stdout)

    def test_another_prefix(self):
        place = configured(self.tmp.name, os.path.join(self.tmp.name, "prefix"))
        self.put(place)
        self.assertNotEqual(self.inspect().returncode, 0)
        self.assertEqual(self.inspect(GST_PLUGIN_PATH=os.path.dirname(place)).returncode, 0)
        with open(os.path.join(SOURCE, "docs", "building.md"), encoding="utf-8") as f:
            self.assertRegex(f.read(), r"GST_PLUGIN_PATH=PREFIX/lib/\S*gstreamer-1.0")


if __name__ == "__main__":
    unittest.main()
