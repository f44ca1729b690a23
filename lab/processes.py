# SPDX-License-Identifier: Apache-2.0
"""What came of a process, and how all of it is ended: for lab/limit and lab/attend."""

import ctypes
import os
import signal
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)


def reap_orphans():
    """From here on this process is the reaper of all that comes of it."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def numbers_in(directory):
    try:
        return [name for name in os.listdir(directory) if name.isdigit()]
    except OSError:
        return []


def tree(pid):
    """The process and its descendants, each with its threads."""
    waiting, found = [str(pid)], {}
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found[one] = numbers_in(f"/proc/{one}/task")
        for thread in found[one]:
            waiting += read(f"/proc/{one}/task/{thread}/children").split()
    return found


def descendants():
    return [int(pid) for pid in tree(os.getpid()) if int(pid) != os.getpid()]


def tell(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def reap():
    """Whether none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return True
    return False


def end_all(first=(), number=signal.SIGKILL, patience=0):
    """Tells those of `first`, waits so many seconds for them to end, and then kills all that is left of this process,
    which is the reaper of its orphans."""
    tell(first, number)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not reap() and set(first) & set(descendants()):
        time.sleep(0.05)
    while not reap():
        tell(descendants(), signal.SIGKILL)
        time.sleep(0.01)
