#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lint check for direct prints finds what it is for, and lets pass what is escaped."""
import importlib.util
import os
import sys
import tempfile
import unittest

spec = importlib.util.spec_from_file_location('lint', sys.argv[1])
lint = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lint)

BAD = {
    'name': 'fprintf(stderr, "%s: cannot be read\\n", path);',
    'second': 'printf("%d %s %s", n, cored_show(a).text, argv[1]);',
    'width': 'printf("%-*s %.*s\\n", w, cored_show(a).text, n, name);',
    'choice': 'printf("%s\\n", known ? "known" : name);',
    'half': 'printf("%s\\n", known ? name : "unknown");',
    'format': 'printf(name);',
    'chosen format': 'fprintf(f, tty ? "\\r%s" : "%s\\n", text);',
    'puts': 'puts(entry->d_name);',
    'fputs': 'fputs(label, stdout);',
    'valist': 'vfprintf(stderr, format, args);',
    'glib': 'g_printerr("x: %s\\n", error->message);',
    'macro': 'printf(LABEL "%s\\n", "name:", name);',
    'number before': 'printf("%" PRIu64 " %s\\n", n, name);',
    'lines': 'fprintf(stderr,\n        "%s: "\n        "%s\\n",\n        "x",\n        uri);',
    'element': 'GST_ELEMENT_ERROR(self, RESOURCE, READ, ("cannot read %s", path), (NULL));',
    'debug': 'GST_ELEMENT_ERROR(self, RESOURCE, READ, ("cannot read"), ("%s", path));',
    'log': 'GST_WARNING_OBJECT(self, "no %s", caps_text);',
    'other call': 'printf("%s\\n", basename(path));',
    'field of a call': 'printf("%s\\n", cored_show(path).other);',
    'message': 'snprintf(error->message, sizeof error->message, "%s", path);',
    'error': 'perror(path);',
}
GOOD = {
    'escaped': 'fprintf(stderr, "%s: %s\\n", cored_show(path).text, strerror(errno));',
    'literal': 'printf("%s\\n", many ? "files" : "file");',
    'nested': 'printf("%s", a ? b ? "x" : "y" : c ? cored_show(d).text : "z");',
    'numbers': 'printf("%5.1f %% of %zu at %p", x, n, p);',
    'constant': 'puts(USAGE);',
    'help': 'fputs(help, stdout);',
    'comment': '/* printf("%s", name); */',
    'in a text': 'const char *s = "printf(name)";',
    'to memory': 'snprintf(text, sizeof text, "%s", name);',
    'brackets': 'printf("%s", cored_show(names[f(i, ")")]).text);',
    'element': 'GST_ELEMENT_ERROR(self, RESOURCE, READ, ("%s", cored_show(p).text), (NULL));',
}
FILE = '#define LABEL "%-13s"\nstatic const char help[] = "help";\nvoid f(void) {{\n  {}\n}}\n'


class Prints(unittest.TestCase):
    def found(self, statement):
        with tempfile.TemporaryDirectory() as root:
            os.mkdir(os.path.join(root, 'tools'))
            with open(os.path.join(root, 'tools', 'a.c'), 'w', encoding='utf-8') as file:
                file.write(FILE.format(statement))
            return lint.check_prints(root)

    def test_bad(self):
        for name, statement in BAD.items():
            with self.subTest(name):
                self.assertTrue(self.found(statement), statement)

    def test_good(self):
        for name, statement in GOOD.items():
            with self.subTest(name):
                self.assertEqual(self.found(statement), [], statement)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
