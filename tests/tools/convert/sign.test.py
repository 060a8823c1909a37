# SPDX-License-Identifier: MIT
"""keygen, sign and verify from outside: what they write and print, exit codes, what is refused.

    sign.test.py CONVERT PROBE
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONVERT, PROBE = sys.argv[1:3]


def run(*arguments, status=0):
    done = subprocess.run([CONVERT, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def main(folder):
    model, other = folder / 'm.safetensors', folder / 'signed.safetensors'
    subprocess.run([PROBE, 'make', 'meso4', '1', model], check=True)
    run('keygen', '-o', folder / 'a', '--comment', 'a@example')
    run('keygen', '-o', folder / 'b')
    secret, public = folder / 'a.secret', folder / 'a.public'
    assert os.stat(secret).st_mode & 0o777 == 0o600
    assert public.read_text().endswith(' a@example\n')
    assert 'a.secret' in run('keygen', '-o', folder / 'a', status=1)  # never replaced

    assert 'SIGNATURE_MISSING' in run('verify', '--keys', public, model, status=1)
    unsigned = model.read_bytes()
    assert 'signed' in run('sign', '--key', secret, '-o', other, model)
    assert model.read_bytes() == unsigned
    text = run('verify', '--keys', public, other)
    assert 'signed with key' in text and 'meso4' in text and 'generation 0' in text
    assert 'SIGNATURE_KEY' in run('verify', '--keys', folder / 'b.public', other, status=1)

    both = folder / 'both'
    both.write_text(public.read_text() + (folder / 'b.public').read_text())
    run('sign', '--quiet', '--key', folder / 'b.secret', model)  # in place
    assert run('verify', '-q', '--keys', both, model, other) == ''
    key = text.split('key ')[1].split(',')[0]
    assert public.read_text().startswith(f'# key {key}\n')
    both.write_text(both.read_text() + f'revoked {key}\n')
    text = run('verify', '--keys', both, model, other, status=1)
    assert 'revoked' in text and 'm.safetensors: signed' in text

    changed = bytearray(other.read_bytes())
    changed[-1] ^= 1
    other.write_bytes(changed)
    assert 'SIGNATURE:' in run('verify', '--keys', public, other, status=1)
    assert 'HASH' in run('sign', '--key', secret, other, status=1)
    assert other.read_bytes() == changed
    secret.chmod(0o644)
    assert 'KEY_FILE' in run('sign', '--key', secret, model, status=1)
    for wrong in (['sign'], ['sign', model], ['verify', model], ['keygen'], ['sign', '-k', secret],
                  ['sign', '-k', secret, model, model], ['keygen', '-o', 'x', 'y']):
        assert 'Try' in run(*wrong, status=2)
    for command in ('keygen', 'sign', 'verify'):
        assert run(command, '--help').startswith('Usage: cored-convert ' + command)


with tempfile.TemporaryDirectory() as name:
    main(Path(name))
