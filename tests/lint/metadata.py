#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lists of metadata fields that people read, generated from the one table in
plugin/meta/meta-fields.c.

    metadata.py SOURCE_ROOT [--write]

Checks that the table has every field of plugin/meta/meta-fields.h once, in that order, and compares
the tables between "<!-- fields of PLACE -->" and "<!-- end -->" in docs/element.md and the lists below
"Fields of ..." in plugin/gstcoredmeta.h with it; --write puts these in order."""
import os
import re
import sys
import textwrap

TABLE = 'plugin/meta/meta-fields.c'
FIELDS = 'plugin/meta/meta-fields.h'
HEADER = 'plugin/gstcoredmeta.h'
DOCUMENT = 'docs/element.md'
TYPES = {'BOOLEAN': ('boolean', 'gboolean'), 'UINT': ('uint', 'guint'),
         'UINT64': ('uint64', 'guint64'), 'DOUBLE': ('double', 'gdouble'),
         'STRING': ('string', 'string'), 'DOUBLES': ('array of double', 'array'), 'ARRAY': ('array', 'array')}
PLACES = {'result': 'RESULT', 'face': 'FACE', 'param': 'PARAM', 'message': 'MESSAGE'}


def declared(root):
    """The constants of enum CoredMetaField, in their order."""
    with open(os.path.join(root, FIELDS), encoding='utf-8') as file:
        text = file.read()
    return re.findall(r'^  (CORED_FIELD_\w+),$', text[:text.index('CORED_N_FIELDS')], flags=re.M)


def fields(root):
    """(name, type, optional, places, unit, what, of_face) of every entry of the table."""
    with open(os.path.join(root, TABLE), encoding='utf-8') as file:
        text = file.read()
    text = text[text.index('cored_meta_fields[CORED_N_FIELDS]'):]
    string = r'((?:"(?:\\.|[^"\\])*"\s*)+)'
    entry = re.compile(r'\[(CORED_FIELD_\w+)\] =\s*\{\s*' + string + r',\s*CORED_FIELD_(\w+),\s*CORED_(\w+),\s*'
                       r'([A-Z| ]+),\s*' + string + r',\s*' + string + r',\s*(NULL|' + string + r')\}')
    found, constants = [], []
    for match in entry.finditer(text):
        constant, name, kind, presence, places, unit, what, of_face, _ = match.groups()
        literal = (lambda s: ''.join(re.findall(r'"((?:\\.|[^"\\])*)"', s)).replace('\\"', '"'))
        places = places.replace(' ', '').split('|')
        if kind not in TYPES or presence not in ('ALWAYS', 'IF_KNOWN') or set(places) - set(PLACES.values()):
            sys.exit(f'{TABLE}: {constant} has an unknown type, presence or place')
        constants.append(constant)
        found.append((literal(name), kind, presence == 'IF_KNOWN', places,
                      literal(unit), literal(what), None if of_face == 'NULL' else literal(of_face)))
    if len(found) != text.count('[CORED_FIELD_'):
        sys.exit(f'{TABLE}: {text.count("[CORED_FIELD_")} entries, {len(found)} understood')
    if len({f[0] for f in found}) != len(found):
        sys.exit(f'{TABLE}: two fields have one name')
    if constants != declared(root):
        odd = sorted(set(constants) ^ set(declared(root)))
        sys.exit(f'{TABLE} and {FIELDS} do not have the same fields in one order: {", ".join(odd) or "order"}')
    return found


def rows(table, place):
    """(name*, type as a pair, unit, what) of the fields at that place; in a message all are there."""
    chosen = [f for f in table if PLACES[place] in f[3]]
    return [(f[0] + ('*' if f[2] and place != 'message' else ''), TYPES[f[1]], f[4],
             f[6] if place == 'face' and f[6] else f[5]) for f in chosen]


def document_table(table, place):
    out = ['| field | type | what |', '| --- | --- | --- |']
    for name, kind, unit, what in rows(table, place):
        star = '*' if name.endswith('*') else ''
        out.append(f'| `{name.rstrip("*")}`{star} | {kind[0]}{", " + unit if unit else ""} | {what} |')
    return '\n'.join(out) + '\n'


def header_list(table, place):
    out = []
    for name, kind, unit, what in rows(table, place):
        head = f'{name:<17} {kind[1]:<9} '
        text = what + (f' ({unit})' if unit else '')
        lines = textwrap.wrap(text, 95 - len(head), break_on_hyphens=False)
        out += [' *   ' + (head if i == 0 else ' ' * len(head)) + line for i, line in enumerate(lines)]
    return '\n'.join(out) + '\n'


def compare(root, name, pattern, make, write):
    path = os.path.join(root, name)
    with open(path, encoding='utf-8') as file:
        text = file.read()
    right = re.sub(pattern, lambda m: m.group(1) + make(m.group(2)) + m.group(4), text, flags=re.S)
    if sorted(match[1] for match in re.findall(pattern, text, flags=re.S)) != sorted(PLACES):
        sys.exit(f'{name}: expected a list for each of {", ".join(PLACES)}')
    if write:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(right)
    elif right != text:
        old, new = text.splitlines(), right.splitlines()
        for line in new:
            if line not in old:
                print('missing:', line)
        for line in old:
            if line not in new:
                print('stale:  ', line)
        sys.exit(f'{name} differs from {TABLE}: run tests/lint/metadata.py . --write')


def main(root, write=None):
    if write not in (None, '--write'):
        sys.exit(__doc__)
    table = fields(root)
    compare(root, DOCUMENT, r'(<!-- fields of (\w+) -->\n)(.*?)(<!-- end -->)',
            lambda place: document_table(table, place), write)
    compare(root, HEADER, r'( \* Fields of the (\w+)[^\n]*:\n)((?: \*   [^\n]*\n)*)( \*(?:\n|/))',
            lambda place: header_list(table, place), write)


if __name__ == '__main__':
    main(*sys.argv[1:])
