# SPDX-License-Identifier: MIT
"""Every malformed PyTorch, Keras or ONNX file is refused with its own code, by inspect and by import,
quickly and without output; files that are right are read.

    malformed.test.py CONVERT [h5|onnx]
"""
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONVERT = sys.argv[1]
MAX_SECONDS = 20  # a hang is a failure; the machine's load is not


def inspect(path):
    done = subprocess.run([CONVERT, 'inspect', '--json', path], capture_output=True, text=True,
                          timeout=MAX_SECONDS)
    if done.returncode not in (0, 1) or done.stderr:
        raise AssertionError(f'inspect: exit {done.returncode}: {done.stderr[:2000]}')
    return done.returncode, json.loads(done.stdout)


def import_it(path, out):
    done = subprocess.run([CONVERT, 'import', path, '-o', out], capture_output=True, text=True,
                          timeout=MAX_SECONDS)
    if done.returncode != 1 or out.exists():
        raise AssertionError(f'import: exit {done.returncode}, wrote a file: {out.exists()}')
    return done.stderr


def check(path, out, expected):
    """What is wrong, or None."""
    status, found = inspect(path)
    code = found.get('error', {}).get('code')
    refusal = import_it(path, out)
    if 'what to do: ' not in refusal or code and not found['error']['advice']:
        return f'nothing says what to do: {refusal}'
    if expected is None:
        if status != 0 or code or not found['tensors']:
            return f'refused by inspect: {found.get("error")}'
        # It is no registered network, and that is said in its own words.
        return None if ': NETWORK_UNKNOWN: ' in refusal or ': KERAS_LAYERS: ' in refusal \
            else f'import says {refusal}'
    elif status != 1 or not found['error']['message']:
        return f'read by inspect: {found}'
    elif code != expected and not (code == 'PICKLE_GLOBAL' and found.get('refused')):
        return f'inspect says {found["error"]}'  # a survey goes on behind a refused name
    return None if f': {expected}: ' in refusal else f'import says {refusal}'


def main():
    if 'h5' in sys.argv:
        try:
            from malformed_h5 import all_cases, random_files
        except ImportError as missing:
            print('skipped:', missing)
            return 77
    elif 'onnx' in sys.argv:
        from malformed_onnx import all_cases, random_files
    else:
        from malformed_pth import all_cases
        random_files = list  # test-convert changes every byte of those
    wrong, n, codes, survived, started = [], 0, set(), 0, time.time()
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, 'case'), Path(folder, 'out.safetensors')
        for case, expected, data in all_cases():
            path.write_bytes(data)
            n += 1
            codes.add(expected)
            try:
                problem = check(path, out, expected)
            except (AssertionError, subprocess.TimeoutExpired, KeyError, ValueError) as error:
                problem = repr(error)
            if problem:
                wrong.append(f'{case}: expected {expected}: {problem}')
        for data in random_files():  # whatever it is, it ends well and within the time
            path.write_bytes(data)
            survived += inspect(path)[0] in (0, 1)
    print('\n'.join(wrong))
    print(f'{survived} files changed at random survived')
    print(f'{n} files, {len(codes - {None})} codes, {len(wrong)} wrong, '
          f'{time.time() - started:.1f} s')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
