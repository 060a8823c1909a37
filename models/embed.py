#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A file as an array of bytes in C: embed.py FILE NAME HEADER."""
import sys

LINE = 20  # bytes

path, name, header = sys.argv[1:]
with open(path, 'rb') as f:
    data = f.read()
with open(header, 'w', encoding='ascii') as f:
    # A string, which compilers read many times as fast as a list of numbers; sizeof counts its NUL.
    f.write(f'/* made by embed.py */\nstatic const unsigned char {name}[{len(data)} + 1] =\n')
    for at in range(0, len(data), LINE):
        f.write('    "' + ''.join(f'\\{byte:03o}' for byte in data[at:at + LINE]) + '"\n')
    f.write('    ;\n')
