#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lint checks of includes, of types and of what object files need find planted faults, and pass a
tree without any.

    lint.test.py lint.py CC...
"""
import contextlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

spec = importlib.util.spec_from_file_location('lint', sys.argv[1])
lint = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lint)
CC = sys.argv[2:]


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, files):
        for name, text in files.items():
            path = os.path.join(self.root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text + '\n')

    def found(self, check, files):
        """What the check says of a tree that has these files alone."""
        shutil.rmtree(self.root)
        os.mkdir(self.root)
        self.write(files)
        return check(self.root)


class Includes(Tree):
    def test_engine(self):
        for line in ('#include <glib.h>', '#include "gst/gst.h"', '#include "tools/common/detector.h"',
                     '#include "plugin/gstcoredmeta.h"', '# include <tests/unit/support.h>',
                     '#include "engine/plan/plan.h"', '#include "../plan/plan.h"', '#include "plan/plan.h"'):
            with self.subTest(line):
                self.assertEqual(len(self.found(lint.check_includes, {'engine/model/a.c': '\n' + line})), 1)
        for line in ('#include "base/file.h"', '#include "model/hash.h"', '#include "cored.h"', '#include <sys/stat.h>'):
            with self.subTest(line):
                self.assertEqual(self.found(lint.check_includes, {'engine/model/a.c': line}), [])
        self.assertTrue(self.found(lint.check_includes, {'engine/cored.h': '#include "base/file.h"'}))
        self.assertEqual(self.found(lint.check_includes, {'engine/new/a.c': '#include "cored.h"'}),
                         ['engine/new/a.c: of which tier?'])

    def test_plugin(self):
        for line in ('#include "tools/common/detector.h"', '#include <tools/common/detector.h>',
                     '#include "tests/element/support/support.h"', '#include "plugin/meta/meta-fields.h"',
                     '#include "../meta/meta-fields.h"', '#include "detect/alerts.h"', '#include "overlay/panel.h"'):
            with self.subTest(line):
                self.assertEqual(len(self.found(lint.check_plugin_includes, {'plugin/meta/a.c': line})), 1)
        for line in ('#include "meta/meta-fields.h"', '#include "sched/work-queue.h"', '#include "base/escape.h"',
                     '#include <gst/video/video.h>', '#include "cored.h"'):
            with self.subTest(line):
                self.assertEqual(self.found(lint.check_plugin_includes, {'plugin/meta/a.c': line}), [])
        self.assertEqual(self.found(lint.check_plugin_includes, {'plugin/a.c': '#include "meta/meta-fields.h"'}), [])
        self.assertEqual(self.found(lint.check_plugin_includes, {'plugin/new/a.c': '#include "cored.h"'}),
                         ['plugin/new/a.c: a folder without a place in the order'])


class Nothing(Tree):
    """A check that finds nothing to look at fails."""

    def test_no_files(self):
        for check in (lint.check_includes, lint.check_plugin_includes, lint.check_types, lint.check_calls,
                      lint.check_prints, lint.check_heads, lint.check_scripts):
            with self.subTest(check.__name__), self.assertRaises(SystemExit) as end:
                self.found(check, {'docs/a.md': 'a'})
            self.assertIn('no ', end.exception.code)

    def test_nothing_in_the_files(self):
        files = {'engine/base/a.c': 'int a;', 'plugin/meta/a.c': 'int a;'}
        for check in (lint.check_includes, lint.check_plugin_includes, lint.check_types):
            with self.subTest(check.__name__):
                self.assertEqual(len(self.found(check, files)), 1)


class Types(Tree):
    def test_defined_twice(self):
        for kind in ('typedef struct {\n  int a;\n} CoredA;', 'typedef struct CoredA {\n  int a;\n} CoredA;',
                     'struct CoredA { int a; };', 'typedef enum { A, B } CoredA;', 'typedef int CoredA;',
                     'typedef struct {\n  union {\n    int a;\n    struct { int b; } c;\n  } d;\n} CoredA;',
                     'typedef void (*CoredA)(int a);', 'typedef float CoredA[4];',
                     'typedef struct {\n  int a;\n} CoredA[2];'):
            with self.subTest(kind):
                said = self.found(lint.check_types, {'engine/base/a.h': kind, 'tools/scan/b.h': '\n' + kind})
                self.assertEqual(said, ['CoredA is defined in engine/base/a.h, tools/scan/b.h'])

    def test_defined_once(self):
        for other in ('typedef struct CoredA CoredA;', 'struct CoredA;', 'static struct {\n  int a;\n} CoredA;',
                      '/* typedef struct { int a; } CoredA; */', 'typedef struct { int CoredA; } CoredB;'):
            with self.subTest(other):
                self.assertEqual(self.found(lint.check_types, {'engine/base/a.h': 'struct CoredA { int a; };',
                                                               'tools/scan/b.h': other}), [])


@unittest.skipIf(not shutil.which('nm') or not shutil.which(CC[0]), 'no nm or no compiler')
class Dependence(Tree):
    TIERS = ('base', 'graph', 'plan')

    def compile(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run([*CC, '-c', '-x', 'c', '-o', path, '-'], input=text, text=True, check=True)

    def build(self):
        for tier in self.TIERS:
            self.compile(f'engine/libcored-core.a.p/{tier}_a.c.o', f'int {tier}_f(void) {{ return 1; }}\n')

    def check(self):
        return lint.check_dependence('.', self.root, *self.TIERS)

    def test_good(self):
        self.build()
        self.compile('engine/libcored-core.a.p/plan_b.c.o', 'int base_f(void);\nint g(void) { return base_f(); }\n')
        self.assertEqual(self.check(), [])

    def test_upwards(self):
        self.build()
        self.compile('engine/libcored-core.a.p/base_b.c.o', 'int plan_f(void);\nint g(void) { return plan_f(); }\n')
        self.assertEqual(self.check(), ['engine/libcored-core.a.p/base_b.c.o: base must not depend on plan (plan_f)'])

    def test_nothing_to_look_at(self):
        self.assertEqual(len(self.check()), 1)
        self.build()
        self.compile('engine/libcored-core.a.p/new_a.c.o', 'int new_f(void) { return 1; }\n')
        self.assertEqual(self.check(), ['engine/libcored-core.a.p/new_a.c.o: of which tier?'])
        os.remove(os.path.join(self.root, 'engine/libcored-core.a.p/new_a.c.o'))
        self.compile('engine/libcored-core.a.p/graph_a.c.o', '\n')
        self.assertEqual(self.check(), ['graph: no object file defines anything'])

    def test_without_nm(self):
        self.build()
        which = lint.shutil.which
        lint.shutil.which = lambda name: None
        try:
            with contextlib.redirect_stdout(io.StringIO()), self.assertRaises(SystemExit) as end:
                self.check()
        finally:
            lint.shutil.which = which
        self.assertEqual(end.exception.code, 77)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
