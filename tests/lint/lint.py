#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of the tree that no compiler makes: lint.py CHECK SOURCE_ROOT [ARG...]."""
import fnmatch
import os
import re
import shutil
import subprocess
import sys

LONG_FILE = 600  # lines; a warning only: where it is right, a file may be longer
TIERS = ['base', 'kernels', 'graph', 'networks', 'model', 'plan', 'serve', 'vision', 'train']
# What a folder of the engine may include, besides itself and cored.h.
ALLOWED = {tier: set(TIERS[:i]) for i, tier in enumerate(TIERS)}
ALLOWED['vision'] = {'base', 'kernels'}  # pictures know nothing of networks
ALLOWED['serve'].add('vision')  # the locator that is a network
# The same for the plugin: a folder includes those behind it, detect and overlay not each other.
PLUGIN_TIERS = ['overlay', 'detect', 'meta', 'analysis', 'model', 'sched']
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

# What a terminal, a log or a message gets is escaped (engine/base/escape.h). check_prints looks at each
# string that these calls show; the number is the place of the format, None: there is none.
SHOWING = {'printf': 0, 'fprintf': 1, 'dprintf': 1, 'vprintf': 0, 'vfprintf': 1, 'g_print': 0,
           'g_printerr': 0, 'puts': None, 'fputs': None, 'perror': None, 'g_error': 0,
           'g_warning': 0, 'g_critical': 0, 'g_message': 0}
SHOWING.update({f'GST_{level}_OBJECT': 1 for level in
                ('ERROR', 'WARNING', 'FIXME', 'INFO', 'DEBUG', 'LOG', 'TRACE')})
SHOWING.update({f'GST_CAT_{level}_OBJECT': 2 for level in
                ('ERROR', 'WARNING', 'FIXME', 'INFO', 'DEBUG', 'LOG', 'TRACE')})
MESSAGES = ('GST_ELEMENT_ERROR', 'GST_ELEMENT_WARNING', 'GST_ELEMENT_INFO')
# Calls whose result may be shown: they escape, or their texts are this project's or digits.
SHOWN_BY = {
    'cored_show(...).text', 'show(...).text', 'cored_threshold_text(...).p', 'cored_error_code_name', 'cored_error_code_text',
    'cored_error_hint', 'cored_loose_shape', 'scan_block', 'cored_outcome_name', 'cored_time_text',
    'cored_verdict_name', 'figure_text(...).s', 'matrix_text(...).s', 'g_strerror', 'strerror', 'gst_video_format_to_string', 'GST_VIDEO_INFO_NAME',
}
# Variables that hold nothing of a file, a peer or the command line, file by file.
VOUCHED = {
    'plugin/detect/frames.c': {'why'},  # sentences of analysis/frame.c
    'plugin/overlay/gstcoredoverlay.c': {'why'},
    'tools/convert/cli.c': {'command', 'what', 'text'},  # of the help and the table of commands
    'tools/convert/inspect.c': {'label', 'i == 0 ? label : ""'},  # headings of that file
    'tools/convert/main.c': {'report.format'},  # the readers' names of formats
    # Elements have names of that file, as what it complains of.
    'tools/rtsp/main.c': {'GST_MESSAGE_SRC_NAME(message)', 'what'},
    'tools/scan/report.c': {'colour'},  # one of the escape codes of that file
    'tools/scan/timeline.c': {'want', 'axis', 'label'},  # escape codes; digits; the number of a face
    'tools/train/eval.c': {'cell.s', 'result->hashes[i]'},  # escaped for CSV; hex digits
    'tools/train/options.c': {'row->help', 'left'},  # the table of options
}
# Names of networks are those of the registry, or the model was refused.
NETWORK = re.compile(r'(.*(->|\.))?network')


def tracked(root, *patterns):
    """The files under these patterns. None at all ends the check: it would pass without a look."""
    names = files_of(root, *patterns)
    if not names:
        sys.exit(f'{root}: no {" or ".join(patterns)}')
    return names


def files_of(root, *patterns):
    listing = subprocess.run(['git', '-C', root, 'ls-files', '-z', '--', *patterns],
                             capture_output=True)
    if listing.returncode == 0:
        names = listing.stdout.decode().split('\0')
        return sorted(n for n in names if n and os.path.isfile(os.path.join(root, n)))
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = [d for d in folders if not d.startswith(('build', '.git'))]
        names += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(n for n in names if any(fnmatch.fnmatch(n, p) for p in patterns))


def read(root, name):
    with open(os.path.join(root, name), encoding='utf-8') as file:
        return file.read()


def code_of(text):
    """C text with comments and the insides of literals blanked, lines kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r'[^\n]', ' ', m.group()), text)


def includes_of(text):
    """The number of the line, the file and whether it is in quotes, of each #include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(2), match.group(1) == '"'


def check_includes(root):
    """The engine knows neither GStreamer nor GLib, and its parts depend in one direction."""
    bad, seen = [], 0
    for name in tracked(root, 'engine/*.c', 'engine/*.h'):
        parts = name.split('/')
        tier = parts[1] if len(parts) > 2 else None
        if tier and tier not in ALLOWED:
            bad.append(f'{name}: of which tier?')
        for number, target, ours in includes_of(read(root, name)):
            seen += 1
            used = target.split('/')[0] if '/' in target else None
            if re.match(r'(gst|glib|gio|gobject)', target) or used in ('tools', 'plugin', 'tests'):
                bad.append(f'{name}:{number}: the engine includes {target}')
            elif '..' in target or (ours and used and used not in ALLOWED):
                bad.append(f'{name}:{number}: {target}: include from the root of engine/')
            elif tier in ALLOWED and used in ALLOWED and used != tier \
                    and used not in ALLOWED[tier]:
                bad.append(f'{name}:{number}: {tier} must not depend on {used} ({target})')
            elif tier is None and used in ALLOWED:
                bad.append(f'{name}:{number}: the top of the engine must not depend on {used}')
    return bad if seen else ['no #include found in the engine']


def check_plugin_includes(root):
    """The folders of the plugin depend in one direction, and on nothing but the engine."""
    bad, seen = [], 0
    for name in tracked(root, 'plugin/*.c', 'plugin/*.h'):
        folder = name.split('/')[1]
        if '/' in name[len('plugin/'):] and folder not in PLUGIN_TIERS:
            bad.append(f'{name}: a folder without a place in the order')
        for number, target, ours in includes_of(read(root, name)):
            seen += 1
            used = target.split('/')[0] if '/' in target else None
            if used in ('tools', 'tests') or (ours and used and used not in (*PLUGIN_TIERS, *TIERS)):
                bad.append(f'{name}:{number}: the plugin includes {target}')
            elif folder in PLUGIN_TIERS and used in PLUGIN_TIERS and used != folder and (
                    used == 'detect' or PLUGIN_TIERS.index(used) < PLUGIN_TIERS.index(folder)):
                bad.append(f'{name}:{number}: {folder} must not depend on {used}')
    return bad if seen else ['no #include found in the plugin']


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
            if re.search(r'cored_error_set\([^,;]+, CORED_ERROR_NONE', line):
                bad.append(f'{name}:{number}: an error that says it is none')
    return bad


def arguments(text, start):
    """The arguments of the call whose bracket opens at start, as they stand in the text."""
    parts, depth, begin, i = [], 0, start + 1, start
    while i < len(text):
        literal = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'').match(text, i)
        if literal:
            i = literal.end()
            continue
        if text[i] in '([{':
            depth += 1
        elif text[i] in ')]}':
            depth -= 1
            if depth == 0:
                return parts + [text[begin:i].strip()]
        elif text[i] == ',' and depth == 1:
            parts.append(text[begin:i].strip())
            begin = i + 1
        i += 1
    return parts


LITERAL = r'(?:"(?:\\.|[^"\\])*"|[A-Z_][A-Z0-9_]+)'


def may_be_shown(text, vouched):
    """A literal, a constant, what escapes, what is vouched for, or a choice between such."""
    text = ' '.join(text.split())
    if text in vouched or NETWORK.fullmatch(text) or re.fullmatch(rf'{LITERAL}(?: ?{LITERAL})*', text):
        return True
    if text.startswith('(') and arguments(text, 0)[0] + ')' == text[1:]:
        return may_be_shown(text[1:-1], vouched)
    choice = re.fullmatch(r'([^?"]*)\?(.*)', text)
    if choice and ':' in text:
        # "?:" binds to the right: the first colon whose left side has as many ? as :
        rest = choice.group(2)
        for colon in (m.start() for m in re.finditer(':', rest)):
            if may_be_shown(rest[:colon], vouched) and may_be_shown(rest[colon + 1:], vouched):
                return True
    call = re.match(r'(\w+)\(', text)
    if call:
        inside = ', '.join(arguments(text, call.end() - 1))
        tail = text[call.end():].replace(' ', '')[len(inside.replace(' ', '')):]
        return (call.group(1) if tail == ')' else call.group(1) + '(...)' + tail[1:]) in SHOWN_BY
    return False


def format_text(argument, macros):
    """The format as one text, None where it is no literal."""
    text = ''
    for piece in re.finditer(r'"((?:\\.|[^"\\])*)"|(\w+)|(\S)', argument):
        if piece.group(3) or (piece.group(2) and not piece.group(2).isupper()
                              and not re.fullmatch(r'PRI\w+', piece.group(2))):
            return None
        text += piece.group(1) if piece.group(1) is not None else macros.get(piece.group(2), 'd')
    return text


def shown_strings(parts, macros):
    """What the arguments of a printf show with %s; the format where it is no literal."""
    text = format_text(parts[0], macros) if parts else None
    if text is None:
        return ['a format that is no literal']
    strings, at = [], 1
    for spec in re.finditer(r'%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+))?[hlzjtL]*([a-zA-Z%])', text):
        if spec.group(4) == '%':
            continue
        at += (spec.group(2) == '*') + (spec.group(3) == '*')
        if spec.group(4) == 's':
            strings.append(parts[at] if at < len(parts) else '?')
        at += 1
    return strings


def check_prints(root):
    """Nothing that comes from a file, a peer or the command line is shown as it is."""
    bad = []
    calls = re.compile(r'(?<![\w.>])(' + '|'.join([*SHOWING, *MESSAGES]) + r')\s*\(')
    for name in tracked(root, 'tools/*.c', 'plugin/*.c', 'engine/*.c'):
        text = re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', ' ', m.group()), read(root, name),
                      flags=re.S)
        macros = dict(re.findall(r'^#define (\w+) "((?:\\.|[^"\\])*)"', text, re.M))
        vouched = VOUCHED.get(name, set()) | set(re.findall(r'^static const char (\w+)\[', text, re.M))
        code = code_of(text)
        for call in calls.finditer(code):
            parts = arguments(text, call.end() - 1)
            kind = call.group(1)
            if kind in MESSAGES:
                shown = [s for part in parts[3:] if part != '(NULL)'
                         for s in shown_strings(arguments(part, 0), macros)]
            elif SHOWING[kind] is None:
                shown = parts[:1]
            elif kind.startswith('v'):
                shown = [parts[SHOWING[kind]]]
            else:
                shown = shown_strings(parts[SHOWING[kind]:], macros)
            number = text.count('\n', 0, call.start()) + 1
            bad += [f'{name}:{number}: {kind}() shows {" ".join(s.split())}: '
                    'escape it with cored_show' for s in shown if not may_be_shown(s, vouched)]
        for match in re.finditer(r'printf\((\w+->|\w+\.)?message\b|printf\(error->message', code):
            if name != 'engine/base/error.c':
                bad.append(f'{name}:{text.count(chr(10), 0, match.start()) + 1}: a message is set '
                           'with cored_error_set, which escapes')
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


def tier_of(path):
    """The tier of an object file of the engine, "engine/libcored-core.a.p/model_weights.c.o" or
    "engine/kernels/libkernels-avx2.a.p/gemm-simd.c.o"."""
    folder, name = os.path.split(path)
    parts = folder.split(os.sep)
    tier = parts[1] if parts[1] in TIERS else name.split('_')[0]
    return tier if tier in TIERS else None


def check_dependence(root, build, *tiers):
    """The parts of the engine depend in one direction in what they call as well: what an object file
    needs of another tier, its own may include. tiers: those that this build has."""
    if not shutil.which('nm'):
        print('skipped: no nm')
        sys.exit(77)
    objects = [os.path.relpath(os.path.join(folder, name), build)
               for folder, _, names in os.walk(os.path.join(build, 'engine'))
               for name in names if name.endswith('.o') and folder.endswith('.a.p')]
    if not objects:
        return [f'{build}: no object files of the engine']
    homeless = [f'{file}: of which tier?' for file in objects if not tier_of(file)]
    listing = subprocess.run(['nm', '-A', '-g', '-P', *objects], cwd=build, check=True,
                             capture_output=True, text=True).stdout
    defined, needed = {}, []
    for line in listing.splitlines():
        file, name, kind = re.match(r'(.*?): (\S+) (\S)', line).groups()
        if not tier_of(file):
            continue
        if kind in 'Uvw':
            needed.append((file, name))
        else:
            defined.setdefault(name, tier_of(file))
    bad = {f'{file}: {tier_of(file)} must not depend on {defined[name]} ({name})'
           for file, name in needed
           if name in defined and defined[name] != tier_of(file)
           and defined[name] not in ALLOWED[tier_of(file)]}
    empty = [f'{tier}: no object file defines anything' for tier in tiers or TIERS
             if tier not in defined.values()]
    return homeless + empty + sorted(bad)


def typedef_names(code):
    """The names that typedefs give, those of structures with bodies as well."""
    names = re.findall(r'^typedef\b[^;{}]*?\b(\w+)(?:\[[^]]*\])?;', code, re.M)
    names += re.findall(r'^typedef\b[^;{}]*\(\s*\*\s*(\w+)\)', code, re.M)
    for body in re.finditer(r'^typedef\b[^;{}]*\{', code, re.M):
        depth, at = 1, body.end()
        while depth and at < len(code):
            depth += {'{': 1, '}': -1}.get(code[at], 0)
            at += 1
        names += re.findall(r'\b(\w+)(?:\[[^]]*\])?$', code[at:].split(';')[0])
    return names


def check_types(root):
    """A type's name stands for one thing: in engine, plugin and tools nobody defines it twice. Names
    without a prefix belong to their folder, or to their file where no header has them."""
    places = {}
    for name in tracked(root, 'engine/*.[ch]', 'plugin/*.[ch]', 'tools/*.[ch]'):
        code = code_of(read(root, name))
        found = re.findall(r'\b(?:struct|union|enum)\s+(\w+)\s*\{', code)
        found += typedef_names(code)
        forward = re.findall(r'^typedef\s+(?:struct|union|enum)\s+(\w+)\s+\1;', code, re.M)
        for kind in set(found) - (set(forward) - set(re.findall(
                r'\b(?:struct|union|enum)\s+(\w+)\s*\{', code))):
            places.setdefault(kind, set()).add(name)
    bad = []
    for kind, names in sorted(places.items()):
        if not re.match(r'(Cored|Gst|Scan)', kind):
            headers = {os.path.dirname(n) for n in names if n.endswith('.h')}
            names = {n for n in names if os.path.dirname(n) in headers}
        if len(names) > 1:
            bad.append(f'{kind} is defined in {", ".join(sorted(names))}')
    return bad if places else ['no type found']


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
                    if re.match(r'tests/element/\w+/test-', name))
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
