# SPDX-License-Identifier: MIT
"""The table of names in docs/tools.md against what every tool's --help lists, and what all tools do
alike: --version, the exit status of a wrong command line and of Ctrl-C, CORED_MODEL.

    names.test.py TOOLS.md TOOL...
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


def main():
    names = table()
    assert set(names) >= {tool.name for tool in TOOLS}, names.keys()
    for tool in TOOLS:
        check_tool(tool, names[tool.name])
        if tool.name != 'cored-convert':
            with tempfile.TemporaryDirectory() as folder:
                check_model(tool, Path(folder))
        print(tool.name, 'ok')


main()
