# SPDX-License-Identifier: MIT
"""For tests that need a package of PyPI which Debian lacks. tests/run.sh puts these into build-python, a
virtual environment beside the system's modules."""
import os
import sys
from pathlib import Path

INTERPRETER = Path(__file__).resolve().parents[2] / 'build-python' / 'bin' / 'python3'


def go_on(missing):
    """The same script in the virtual environment, or, where that lacks the module as well, exit code 77."""
    inside = Path(sys.prefix) == INTERPRETER.parents[1]
    if INTERPRETER.exists() and not inside:
        os.execv(INTERPRETER, [str(INTERPRETER), *sys.argv])
    print('skipped:', missing, '(tests/run.sh installs from PyPI into build-python)')
    sys.exit(77)
