#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the version script of libaether: what the public headers declare, and nothing else.

Usage: exports.py [--names] HEADER...   --names: one name a line instead of a version script
"""

import re
import sys


def declared(text):
    """Names of functions that are declared, not defined, and of extern data."""
    text = re.sub(r'/\*.*?\*/|//[^\n]*', ' ', text, flags=re.S)
    text = re.sub(r'#ifdef __cplusplus.*?#endif', ' ', text, flags=re.S)
    text = re.sub(r'^\s*#(.*\\\n)*.*$', ' ', text, flags=re.M)
    # Bodies of inline functions, structs and enums hold no declaration of ours.
    while '{' in text:
        text = re.sub(r'\{[^{}]*\}', '@', text)
    for statement in re.split('[;@]', text):
        statement = re.sub(r'__attribute__\s*\(\(.*?\)\)', ' ', statement, flags=re.S)
        if re.match(r'\s*(typedef|static)\b', statement):
            continue
        found = re.search(r'\b(ae_\w+)\s*\(', statement)
        if not found and re.match(r'\s*extern\b', statement):
            found = re.search(r'\b(ae_\w+)\s*(\[.*\])?\s*$', statement)
        if found:
            yield found.group(1)


def main(arguments):
    names_only = arguments[:1] == ['--names']
    names = set()
    for path in arguments[names_only:]:
        with open(path, encoding='utf-8') as header:
            names.update(declared(header.read()))
    if names_only:
        print('\n'.join(sorted(names)))
    else:
        print('AETHER_0 {\n    global:')
        print('\n'.join('        %s;' % name for name in sorted(names)))
        print('    local: *;\n};')


main(sys.argv[1:])
