# SPDX-License-Identifier: Apache-2.0
"""What the benchmark needs of the machine, and gives back: CPUs, huge pages, a place for sockets."""

import contextlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

HUGE_PAGE = 2 << 20
HUGE_PAGES = 160  # of 2 MiB: the back end's 64, a DPDK contender's 32, and room
POOL = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


class Failure(Exception):
    """Something that a person has to put right; the text says what."""


def parse_cpus(text):
    cpus = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def choose_cpus(wanted):
    """Two CPUs of one package that are not threads of one core: the last ones we may use, isolated ones among them."""
    isolated = parse_cpus(pathlib.Path("/sys/devices/system/cpu/isolated").read_text())
    usable = sorted({*os.sched_getaffinity(0), *isolated})
    if wanted:
        try:
            pair = parse_cpus(wanted)
        except ValueError:
            raise Failure(f"--cpus={wanted}: two CPUs such as 2,3 are needed") from None
        if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(usable):
            raise Failure(f"--cpus={wanted}: two different CPUs of {usable} are needed")
        return pair
    for second in reversed(usable):
        for first in reversed([cpu for cpu in usable if cpu < second]):
            topology = pathlib.Path(f"/sys/devices/system/cpu/cpu{second}/topology")
            if str(first) in map(str, parse_cpus((topology / "thread_siblings_list").read_text())):
                continue
            other = pathlib.Path(f"/sys/devices/system/cpu/cpu{first}/topology/physical_package_id")
            if other.read_text() == (topology / "physical_package_id").read_text():
                return [first, second]
    raise Failure("two CPUs that are not threads of one core are needed; this process may use "
                  f"{usable}")


@contextlib.contextmanager
def huge_pages():
    """Sees to it that enough are free, and gives back what it added."""
    if not POOL.exists():
        raise Failure("this kernel has no huge pages of 2 MiB")
    total, free = (int((POOL / name).read_text()) for name in ("nr_hugepages", "free_hugepages"))
    missing = HUGE_PAGES - free
    if missing > 0:
        try:
            (POOL / "nr_hugepages").write_text(str(total + missing))
        except OSError as error:
            raise Failure(f"{missing} huge pages of 2 MiB are missing and cannot be added "
                          f"({error.strerror}): run as root, or echo {total + missing} > "
                          f"{POOL}/nr_hugepages") from None
        if int((POOL / "free_hugepages").read_text()) < HUGE_PAGES:
            (POOL / "nr_hugepages").write_text(str(total))
            raise Failure(f"no room for {HUGE_PAGES} huge pages of 2 MiB: free some memory")
    try:
        yield
    finally:
        if missing > 0:
            (POOL / "nr_hugepages").write_text(str(total))


@contextlib.contextmanager
def directory():
    path = tempfile.mkdtemp(prefix="aether-bench.")
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def floor(build, cpus, round_trips=100000):
    """The cache-line round trip between the two CPUs: percentiles in nanoseconds."""
    program = build / "bench" / "floor"
    try:
        done = subprocess.run([program, *map(str, cpus), str(round_trips)], capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        raise Failure("floor: something else keeps the two CPUs") from None
    if done.returncode:
        raise Failure(done.stderr.strip() or f"{program} ended with {done.returncode}")
    return json.loads(done.stdout)


def steal_ticks(cpus):
    """What a hypervisor took from these CPUs, in 1/100 s; 0 where it does not say."""
    ticks = 0
    with open("/proc/stat", encoding="ascii") as stat:
        for line in stat:
            words = line.split()
            if words[0] in [f"cpu{cpu}" for cpu in cpus]:
                ticks += int(words[8])
    return ticks


def cpuinfo():
    """Of the first CPU."""
    info = {}
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            info.setdefault(key.strip(), value.strip())
    return info


def cpu_flags():
    return set(cpuinfo().get("flags", "").split())


def version(aether):
    done = subprocess.run([aether, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "aether"


def describe(cpus):
    info = cpuinfo()
    return {
        "processor": info.get("model name", platform.machine()),
        "hypervisor": "hypervisor" in info.get("flags", "").split(),
        "kernel": platform.release(),
        "cpus_online": os.cpu_count(),
        "cpu_of_back_end": cpus[0],
        "cpu_of_contender": cpus[1],
    }
