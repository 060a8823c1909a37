#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The property tables of a document against what the elements themselves say.

    readme.py FILE [--write]      with GST_PLUGIN_PATH set; --write puts the tables in order

A table stands between "<!-- properties of ELEMENT -->" and "<!-- end -->". LD_PRELOAD for
gst-inspect-1.0 is taken from CORED_TEST_PRELOAD (a plugin built with a sanitizer needs its
runtime)."""
import os
import re
import subprocess
import sys

NOT_OURS = {'name', 'parent', 'qos'}
BLOCK = re.compile(r'(<!-- properties of (\w+) -->\n)(.*?)(<!-- end -->)', re.S)
OPTIONAL_FLAGS = {'analytics'}  # there when built with GStreamer >= 1.24


def number(text):
    value = float(text)
    if value >= 2**31 - 1:
        return '…'
    return f'{int(value):_}'.replace('_', ' ') if value == int(value) else f'{value:g}'


def type_and_default(lines):
    """('1 to 64', '8') of the lines that follow a property's flags."""
    head = lines[0]
    default = re.search(r'Default:\s*(.*)', head).group(1).strip() if 'Default:' in head else ''
    values = [m.group(1) for line in lines[1:] if (m := re.match(r'\s+\(\w+\):\s+(\S+)', line))]
    if values:
        default = default.split(',')[-1].strip(' "')
        default = '+'.join(v for v in values if v in default.split('+') and
                           v not in OPTIONAL_FLAGS)
        return ', '.join(v for v in values if v not in OPTIONAL_FLAGS), default
    span = re.search(r'Range:\s*(\S+)\s*-\s*(\S+)', head)
    if span:
        return f'{number(span.group(1))} to {number(span.group(2))}', number(default)
    kind = head.split('.')[0].strip().lower()
    if kind.startswith('boxed') or kind.startswith('object'):
        return 'structure', ''
    return kind, default.strip('"') if default != 'null' else ''


def properties(element):
    env = dict(os.environ)
    if env.get('CORED_TEST_PRELOAD'):
        env['LD_PRELOAD'] = env['CORED_TEST_PRELOAD']
        env['ASAN_OPTIONS'] = env.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
    run = subprocess.run(['gst-inspect-1.0', '--no-colors', element], capture_output=True,
                         text=True, env=env)
    if run.returncode != 0:
        sys.exit(f'gst-inspect-1.0 {element}: {run.stdout}{run.stderr}')
    section = run.stdout.split('Element Properties:')[1].split('Element Signals:')[0]
    found = []
    for entry in re.split(r'\n(?=  [a-z][\w-]*\s*: )', '\n' + section):
        head = re.match(r'\s*([a-z][\w-]*)\s*: (.*)', entry)
        if not head or head.group(1) in NOT_OURS:
            continue
        lines = [line for line in entry.split('\n')[1:] if line.strip()]
        flags = next(line for line in lines if 'flags:' in line)
        kind, default = type_and_default(lines[lines.index(flags) + 1:])
        if head.group(1).startswith('color-'):
            kind, digits = 'ARGB', re.search(r'Default:\s*(\d+)', entry).group(1)
            default = f'0x{int(digits):08x}'
        when = 'read only' if 'writable' not in flags else \
            'any time' if 'PLAYING' in flags else 'stopped'
        found.append((head.group(1), default, kind, when, head.group(2).strip()))
    return sorted(found)


def table(element):
    rows = ['| property | default | values | set | what |', '| --- | --- | --- | --- | --- |']
    rows += ['| `{}` | {} | {} | {} | {} |'.format(*(cell.replace('|', '\\|') for cell in row))
             for row in properties(element)]
    return '\n'.join(rows) + '\n'


def main(readme, write=None):
    with open(readme, encoding='utf-8') as file:
        text = file.read()
    right = BLOCK.sub(lambda m: m.group(1) + table(m.group(2)) + m.group(4), text)
    if not BLOCK.search(text):
        sys.exit(f'{readme}: no table')
    if write:
        with open(readme, 'w', encoding='utf-8') as file:
            file.write(right)
    elif right != text:
        old, new = text.splitlines(), right.splitlines()
        for line in sorted(set(new) - set(old)):
            print('missing:', line)
        for line in sorted(set(old) - set(new)):
            print('stale:  ', line)
        sys.exit(f'{readme} differs from the elements: run tests/lint/readme.py {readme} --write')


if __name__ == '__main__':
    main(*sys.argv[1:])
