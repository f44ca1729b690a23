#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the version script of a library: what its public headers declare, and, for the other library of this
tree alone, what that one takes of its inner functions.

Usage: exports.py --names HEADER...     one name a line
       exports.py NODE HEADER...        a version script
       exports.py NODE --inner NODE OURS THEIRS HEADER...
                                        OURS, THEIRS: archives of the library and of the one that builds on it
"""

import re
import subprocess
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


def symbols(archive):
    """Those that an archive defines for others, and those that it lacks."""
    defined, lacking = set(), set()
    text = subprocess.run(['nm', '-P', archive], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout
    for name, kind in re.findall(r'^(ae_\w+) (\w)\b', text, flags=re.M):
        (lacking if kind == 'U' else defined if kind.isupper() else set()).add(name)
    return defined, lacking - defined


def node(name, names, rest=''):
    return '%s {\n    global:\n%s\n%s};' % (name, '\n'.join('        %s;' % one for one in sorted(names)), rest)


def main(arguments):
    first, *headers = arguments
    inner = []
    if headers[:1] == ['--inner']:
        inner, headers = headers[1:4], headers[4:]
    names = set()
    for path in headers:
        with open(path, encoding='utf-8') as header:
            names.update(declared(header.read()))
    if first == '--names':
        print('\n'.join(sorted(names)))
        return
    print(node(first, names, '    local: *;\n'))
    if inner:
        print(node(inner[0], (symbols(inner[1])[0] & symbols(inner[2])[1]) - names))


main(sys.argv[1:])
