# SPDX-License-Identifier: MIT
"""The table of names in docs/tools.md against what every tool's --help lists, and what all tools do
alike: --version, the exit status of a wrong command line and of Ctrl-C, CORED_MODEL, the names of
networks, what a typo is answered with.

    names.test.py docs/tools.md TOOL...
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS, TOOLS = Path(sys.argv[1]), [Path(tool) for tool in sys.argv[2:]]
COMMANDS = ('import', 'export', 'inspect', 'sign', 'verify')  # of cored-convert


def run(*arguments, **environment):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=60,
                          env={k: v for k, v in {**os.environ, **environment}.items() if v})


def table():
    """{tool: {long name: [other names]}} as documented."""
    rows = [[cell.strip() for cell in line.strip().strip('|').split('|')]
            for line in DOCS.read_text().split('## Names that all tools share')[1].splitlines()
            if line.startswith('| ')]
    head = rows[0]
    names = {cell.strip('`'): {} for cell in head[2:]}
    for row in rows[2:]:
        for tool, cell in zip(head[2:], row[2:]):
            if cell and cell != 'argument':
                names[tool.strip('`')][row[1].strip('`')] = re.findall(r'`(-[^`]*)`', cell)
    return names


def help_of(tool):
    texts = [run(tool, '--help')]
    if tool.name == 'cored-convert':
        texts += [run(tool, command, '--help') for command in COMMANDS]
    for done in texts:
        assert done.returncode == 0 and not done.stderr, (tool, done)
    return '\n'.join(done.stdout for done in texts)


def has(text, option):
    return re.search(rf'(?<![\w-]){re.escape(option)}(?![\w-])', text)


def check_tool(tool, names):
    text = help_of(tool)
    for name, others in names.items():
        for option in (name, *others):
            assert has(text, option), f'{tool.name} --help does not list {option}'
    version = run(tool, '--version')
    assert version.returncode == 0 and version.stdout.startswith(tool.name + ' '), version
    wrong = run(tool, '--no-such-option')
    assert wrong.returncode == 2 and wrong.stderr and not wrong.stdout, wrong
    assert '130' in text, f'{tool.name} --help does not say what Ctrl-C gives'


def check_model(tool, folder):
    """CORED_MODEL, and the folder of a run, are taken wherever a model is."""
    arguments = {'cored-scan': ['x.mp4'], 'cored-rtsp': ['rtsp://127.0.0.1/'],
                 'cored-eval': ['-d', folder], 'cored-train': ['--test', '-d', folder]}[tool.name]
    done = run(tool, *arguments, CORED_MODEL=str(folder))
    assert done.returncode != 0 and 'best.safetensors' in done.stderr, (tool, done)
    done = run(tool, '--model', folder, *arguments, CORED_MODEL='')
    assert done.returncode != 0 and 'best.safetensors' in done.stderr, (tool, done)


NETWORKS = {'cored-train': ['-d', '/nonexistent', '-t', 'A'],
            'cored-convert': ['import', '/nonexistent', '-o', '/nonexistent/out.safetensors']}


def check_networks(tools):
    """Ids and aliases in any case, alike; a typo lists them all, in the same sentence everywhere."""
    said = set()
    for tool in tools:
        done = run(tool, *NETWORKS[tool.name], '--network=Xceptoin')
        assert done.returncode == 2, (tool, done)
        said.add(re.search(r"there is no network 'Xceptoin'; there are [^;\n]*", done.stderr).group())
    assert len(said) == 1, said
    names = re.findall(r'[\w-]+', said.pop().split('there are ')[1].replace('(or ', '('))
    assert {'xception', 'xceptionnet', 'cored-compact', 'compact', 'mesonet'} <= set(names), names
    for tool in tools:
        for option, name in [('-n', n.upper()) for n in names] + [('--network', n) for n in names]:
            done = run(tool, *NETWORKS[tool.name], option, name)
            assert done.returncode == 1 and 'network' not in done.stderr, (tool, name, done)


def check_properties(scan):
    """cored-scan --set: any case; a typo lists what there is."""
    def said(setting):
        done = run(scan, '--model', '/nonexistent', '--set', setting, '/nonexistent.mp4')
        assert done.returncode in (1, 2), done
        return done.stderr
    text = said('mod=sync')
    assert "there is no property 'mod' to set; there are " in text, text
    assert ' mode,' in text and ' threshold,' in text and ' stats' not in text, text
    text = said('mode=synk')
    assert "--set mode: expected auto|sync|latest|delay, found 'synk'" in text, text
    for fine in ('mode=sync', 'Mode=SYNC', 'inference-region=Full-Frame', 'metadata=custom+ROI', 'threshold=0.4'):
        assert '--set' not in said(fine), fine


def main():
    names = table()
    assert set(names) >= {tool.name for tool in TOOLS}, names.keys()
    for tool in TOOLS:
        check_tool(tool, names[tool.name])
        if tool.name != 'cored-convert':
            with tempfile.TemporaryDirectory() as folder:
                check_model(tool, Path(folder))
        print(tool.name, 'ok')
    check_networks([tool for tool in TOOLS if tool.name in NETWORKS])
    for tool in TOOLS:
        if tool.name == 'cored-scan':
            check_properties(tool)


main()
