# SPDX-License-Identifier: Apache-2.0
"""Programs where every user may run them: a clone may be in a place that others cannot read."""
import os
import shutil


def copies(directory, *paths):
    """Of the programs, in a directory that others may then look into. A worker's is best one of them."""
    os.chmod(directory, 0o755)
    return [shutil.copy(path, directory) for path in paths]


def copy_of_example(directory, path):
    """With the library, which is looked for beside it."""
    library = os.path.join(os.path.dirname(path), "../src/libaether.so.0")
    for name in "examples", "src":
        os.mkdir(os.path.join(directory, name))
        os.chmod(os.path.join(directory, name), 0o755)
    shutil.copy(library, os.path.join(directory, "src"))
    return shutil.copy(path, os.path.join(directory, "examples"))
