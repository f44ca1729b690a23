# SPDX-License-Identifier: Apache-2.0
"""Programs where every user may run them: a clone may be in a place that others cannot read."""
import os
import shutil


def copies(directory, *paths):
    """Of the programs, in a directory that others may then look into. A worker's is best one of them."""
    os.chmod(directory, 0o755)
    return [shutil.copy(path, directory) for path in paths]
