#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of the tree that no compiler makes: lint.py CHECK SOURCE_ROOT [ARG...]."""
import os
import re
import shutil
import subprocess
import sys

LONG_FILE = 600  # lines; a warning only: where it is right, a file may be longer
TIERS = ['kernels', 'layers', 'networks', 'model', 'session', 'vision', 'train']
# What a folder of the engine may include, besides itself and the top of engine/.
ALLOWED = {tier: set(TIERS[:i]) for i, tier in enumerate(TIERS)}
ALLOWED['vision'] = {'kernels'}  # pictures know nothing of networks
BANNED = {
    'sprintf': 'snprintf', 'vsprintf': 'vsnprintf', 'strcpy': 'memcpy or snprintf',
    'strcat': 'snprintf', 'strncpy': 'memcpy or snprintf', 'gets': 'getline',
    'atoi': 'strtol', 'atol': 'strtol', 'atof': 'a locale-proof reader', 'rand': 'a seeded state',
    'srand': 'a seeded state', 'random': 'a seeded state', 'drand48': 'a seeded state',
    'strtok': 'strtok_r', 'alloca': 'the session arena', 'tmpnam': 'mkstemp', 'mktemp': 'mkstemp',
    'system': 'posix_spawn',
}
TESTS_MAY = {'atoi', 'system'}  # their arguments come from the tests themselves
ENGINE_BANNED = {
    'exit': 'an error', 'abort': 'an error', '_exit': 'an error', 'printf': 'an error',
    'fprintf': 'an error', 'puts': 'an error', 'perror': 'an error', 'setlocale': 'nothing',
}


def tracked(root, *patterns):
    listing = subprocess.run(['git', '-C', root, 'ls-files', '-z', '--', *patterns],
                             capture_output=True)
    if listing.returncode == 0:
        names = listing.stdout.decode().split('\0')
        return sorted(n for n in names if n and os.path.isfile(os.path.join(root, n)))
    names = []
    suffixes = tuple(p.lstrip('*') for p in patterns)
    for folder, folders, files in os.walk(root):
        folders[:] = [d for d in folders if not d.startswith(('build', '.git'))]
        names += [os.path.relpath(os.path.join(folder, f), root) for f in files
                  if f.endswith(suffixes)]
    return sorted(names)


def read(root, name):
    with open(os.path.join(root, name), encoding='utf-8') as file:
        return file.read()


def code_of(text):
    """C text with comments and the insides of literals blanked, lines kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r'[^\n]', ' ', m.group()), text)


def check_includes(root):
    """The engine knows neither GStreamer nor GLib, and its parts depend in one direction."""
    bad = []
    for name in tracked(root, 'engine/*.c', 'engine/*.h'):
        parts = name.split('/')
        tier = parts[1] if len(parts) > 2 else None
        for number, line in enumerate(read(root, name).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
            if not match:
                continue
            target = match.group(1)
            if re.match(r'(gst|glib|gio|gobject)', target):
                bad.append(f'{name}:{number}: the engine includes {target}')
            used = target.split('/')[0] if '/' in target else None
            if '..' in target:
                bad.append(f'{name}:{number}: {target}: include from the root of engine/')
            elif tier in ALLOWED and used in ALLOWED and used != tier \
                    and used not in ALLOWED[tier]:
                bad.append(f'{name}:{number}: {tier} must not depend on {used} ({target})')
            elif tier is None and used in ALLOWED:
                bad.append(f'{name}:{number}: the top of the engine must not depend on {used}')
    return bad


def check_calls(root):
    """Calls that overflow, hide errors or make runs differ; in the engine also those that talk."""
    bad = []
    for name in tracked(root, '*.c', '*.h'):
        banned = dict(BANNED)
        if name.startswith('engine/'):
            banned.update(ENGINE_BANNED)
        if name.startswith('tests/'):
            banned = {call: why for call, why in banned.items() if call not in TESTS_MAY}
        pattern = re.compile(r'(?<![\w.>])(' + '|'.join(banned) + r')\s*\(')
        for number, line in enumerate(code_of(read(root, name)).splitlines(), 1):
            for match in pattern.finditer(line):
                call = match.group(1)
                bad.append(f'{name}:{number}: {call}() is banned here; use {banned[call]}')
    return bad


def check_heads(root):
    """Every source says its licence in its head; long files are pointed at."""
    bad = []
    for name in tracked(root, '*.c', '*.h', '*.py', '*.sh'):
        text = read(root, name)
        if 'SPDX-License-Identifier: MIT' not in text[:200]:
            bad.append(f'{name}: no SPDX line in its head')
        lines = text.count('\n')
        if lines > LONG_FILE:
            print(f'warning: {name} has {lines} lines (would a reader find the parts?)')
        if text and not text.endswith('\n'):
            bad.append(f'{name}: no newline at the end')
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip() or '\t' in line:
                bad.append(f'{name}:{number}: trailing blank or tab')
    return bad


def check_symbols(root, *libraries):
    """A shared library exports its prefix and nothing else."""
    bad = []
    for library in libraries:
        plugin = os.path.basename(library).startswith('libgst')
        prefix = re.compile(r'^(gst_cored\w+|gst_plugin_cored\w*|cored_\w+)$' if plugin
                            else r'^cored_\w+$')
        listing = subprocess.run(['nm', '-D', '--defined-only', library], check=True,
                                 capture_output=True, text=True).stdout
        names = [line.split()[-1].split('@')[0] for line in listing.splitlines()]
        names = [n for n in names if not re.match(r'_(init|fini|edata|end|_bss_start)$', n)]
        if not names:
            bad.append(f'{library}: exports nothing')
        bad += [f'{library}: exports {n}' for n in names if not prefix.match(n)]
        if plugin and not any(n.startswith('gst_plugin_cored') for n in names):
            bad.append(f'{library}: no gst_plugin_cored_* entry')
    return bad


def check_header(root, cc, cxx):
    """cored.h is a whole of its own: C11, C++11, pedantic, without warnings."""
    bad = []
    header = os.path.join(root, 'engine', 'cored.h')
    for compiler, language, standard in ((cc, 'c', 'c11'), (cxx, 'c++', 'c++11')):
        if not shutil.which(compiler.split()[0]):
            print(f'note: no {compiler}')
            continue
        unit = f'#include "{header}"\n#include "{header}"\nint main(void);\n'
        run = subprocess.run(compiler.split() + [f'-std={standard}', '-Wall', '-Wextra',
                             '-pedantic', '-Werror', '-fsyntax-only', '-x', language, '-'],
                             input=unit, capture_output=True, text=True)
        if run.returncode != 0:
            bad.append(f'cored.h as {standard}:\n{run.stderr}')
    return bad


def check_scripts(root):
    """Shell scripts pass shellcheck, parse, and explain themselves."""
    bad = []
    names = tracked(root, '*.sh') + ['.ci/run']
    for name in names:
        run = subprocess.run(['bash', '-n', os.path.join(root, name)], capture_output=True,
                             text=True)
        if run.returncode != 0:
            bad.append(run.stderr)
    if shutil.which('shellcheck'):
        run = subprocess.run(['shellcheck', '-x', '-S', 'warning', '-P', 'SCRIPTDIR', *names],
                             cwd=root, capture_output=True, text=True)
        if run.returncode != 0:
            bad.append(run.stdout + run.stderr)
    else:
        print('note: no shellcheck')
    for name in names:
        path = os.path.join(root, name)
        if not os.access(path, os.X_OK) or 'usage()' not in read(root, name):
            continue
        run = subprocess.run([path, '--help'], capture_output=True, text=True, timeout=20)
        if run.returncode != 0 or len(run.stdout) < 40:
            bad.append(f'{name} --help: status {run.returncode}, {run.stdout[:60]!r}')
    return bad


def check_properties(root):
    """Every property that the documents list is set or read by a test of the elements."""
    tests = ''.join(read(root, name) for name in tracked(root, '*.c')
                    if name.startswith('tests/element/test-'))
    names = re.findall(r'^\| `([a-z-]+)` \|.*\|.*\| (?:any time|stopped|read only) \|',
                       read(root, 'docs/element.md'), re.M)
    if len(names) < 30:
        return [f'docs/element.md: only {len(names)} properties found']
    return [f'{name}: no test in tests/element' for name in names
            if not re.search(rf'["\s]{name}["=]', tests)]


def main():
    check, root, *rest = sys.argv[1:]
    bad = globals()['check_' + check](root, *rest)
    for line in bad:
        print(line)
    print(f'{check}: {len(bad)} found')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
