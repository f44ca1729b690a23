# SPDX-License-Identifier: Apache-2.0
"""The wires of a benchmark: what is between the measuring side and a contender, and how each is set up."""

import contextlib
import json
import os
import pathlib
import subprocess

from machine import Failure

NEAR, FAR = "10.77.0.2", "10.77.0.1"  # measuring.c has them, too


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def mac_of(interface):
    return json.loads(run("ip", "-j", "link", "show", interface))[0]["address"]


class Wire:
    """kind: which contenders it is for; spec: what they are told; measuring: what that side is."""
    kind = name = spec = measuring = ""
    huge_pages = False  # does it take any?
    far_mac, near_mac = "02:00:00:00:00:01", "02:00:00:00:00:02"

    def open(self, directory):
        raise NotImplementedError

    @contextlib.contextmanager
    def prepared(self, contender):
        """For as long as this contender runs."""
        del contender
        yield

    def describe(self):
        raise NotImplementedError


class Veth(Wire):
    """A pair of the kernel's, in a network namespace that is this process's alone. The far end has no
    address: the kernel has nothing to say there."""
    kind, name, spec, measuring = "netdev", "veth", "netdev:near", "packet:far"

    def open(self, directory):
        self.sysfs = directory / "sysfs"  # /sys itself shows the interfaces of another namespace
        self.sysfs.mkdir()
        run("mount", "-t", "sysfs", "none", str(self.sysfs))
        run("ip", "link", "add", "far", "type", "veth", "peer", "name", "near")
        for end in ("far", "near"):
            run("ip", "link", "set", end, "addrgenmode", "none", "up")
        self.far_mac, self.near_mac = mac_of("far"), mac_of("near")

    @contextlib.contextmanager
    def prepared(self, contender):
        run("ip", "address", "flush", "dev", "near")
        if contender.layer == "socket":
            run("ip", "address", "add", NEAR + "/24", "dev", "near")
            run("ip", "neighbour", "replace", FAR, "lladdr", self.far_mac, "dev", "near", "nud", "permanent")
        with set_below(self.sysfs / "class/net/near", contender.interface):
            yield

    def describe(self):
        return {"name": self.name, "what": "a veth pair in a network namespace", "card": None,
                "driver": "veth", "far_end": "the measuring side, over AF_PACKET", "timestamps": "software"}


class VhostUser(Wire):
    """Aether's back end is the measuring side; contenders are front ends."""
    kind = name = "vhost-user"
    huge_pages = True

    def open(self, directory):
        self.spec = f"vhost-user:{directory}/wire.sock"
        self.measuring = f"vhost-user-server:{directory}/wire.sock"

    def describe(self):
        return {"name": self.name, "what": "vhost-user, split off at its rings", "card": None,
                "driver": "vhost-user", "far_end": "the measuring side, over Aether's vhost-user-server:",
                "timestamps": "software"}


@contextlib.contextmanager
def set_below(directory, text):
    """NAME=VALUE words, written below the directory, and what was there before written back."""
    before = {}
    try:
        for word in text.split():
            name, _, value = word.partition("=")
            before[name] = (directory / name).read_text()
            (directory / name).write_text(value)
        yield
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from error
    finally:
        for name, value in before.items():
            with contextlib.suppress(OSError):
                (directory / name).write_text(value)


WIRES = {wire.name: wire for wire in (Veth, VhostUser)}


def namespace(words):
    """Runs this program again where it has a network of its own; returns when it does already."""
    if os.environ.get("AETHER_BENCH_NAMESPACE") == "1":
        return
    if os.geteuid() != 0:
        raise Failure("it takes root: for a network namespace, huge pages, sockets of the wire's own")
    os.environ["AETHER_BENCH_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--", *map(str, words)])


def executable(path):
    return path.is_file() and os.access(path, os.X_OK)


def find_contenders(directories):
    """Programs, those of the first directory first, each name once."""
    found = {}
    for directory in map(pathlib.Path, directories):
        if not directory.is_dir():
            raise Failure(f"{directory}: no directory of contenders")
        for path in sorted(directory.iterdir()):
            if executable(path):
                found.setdefault(path.name, path)
    return list(found.values())
