# SPDX-License-Identifier: MIT
"""The fused ops of every network, as `cored-convert inspect --plan` lists them, against tests/tools/plans.

    plans.test.py CONVERT MAKE_MODEL FOLDER [--write]     --write puts the lists in order
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CONVERT, MAKE_MODEL, FOLDER, *WRITE = sys.argv[1:]


def networks():
    done = subprocess.run([CONVERT, 'import', '-n', '?', 'x', '-o', 'y'], capture_output=True, text=True)
    listed = re.search(r'there are (.*)', done.stderr).group(1)
    return re.sub(r' \(or [^)]*\)', '', listed).split(', ')


def plan_of(network, folder):
    model = Path(folder) / (network + '.safetensors')
    subprocess.run([MAKE_MODEL, network, '7', model], check=True)
    return subprocess.run([CONVERT, 'inspect', '--plan', model], check=True, capture_output=True, text=True).stdout


def main():
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for network in networks():
            golden = Path(FOLDER) / (network + '.txt')
            plan = plan_of(network, folder)
            if WRITE:
                golden.write_text(plan)
            elif not golden.exists() or golden.read_text() != plan:
                wrong.append(network)
                print(plan)
    assert not wrong, f'other plans than in {FOLDER}: {wrong}; if they should be, run this with --write'
    print('plans ok')


main()
