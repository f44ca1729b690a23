# SPDX-License-Identifier: Apache-2.0
"""The wires of a benchmark: what is between the measuring side and a contender, and how each is set up."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

from machine import Failure
from sides import FarMeasuring, Measuring

NEAR, FAR = "10.77.0.2", "10.77.0.1"  # measuring.c has them, too


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def mac_of(interface):
    return json.loads(run("ip", "-j", "link", "show", interface))[0]["address"]


class Wire:
    """kinds: of contenders that it is for; measuring: what that side is told it is."""
    kinds, name, measuring = (), "", ""
    huge_pages = False  # does it take any?
    far_mac, near_mac = "02:00:00:00:00:01", "02:00:00:00:00:02"

    def open(self, directory):
        raise NotImplementedError

    def spec(self, contender):
        """What a contender is told."""
        raise NotImplementedError

    def start(self, place):
        return Measuring(place.measuring, self, place.cpus[0], place.directory)

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
    kinds, name, measuring = ("netdev",), "veth", "packet:far"

    def open(self, directory):
        sysfs = directory / "sysfs"  # /sys itself shows the interfaces of another namespace
        sysfs.mkdir()
        run("mount", "-t", "sysfs", "none", str(sysfs))
        for part in ("class/net", "devices/virtual/net"):
            run("mount", "--bind", str(sysfs / part), "/sys/" + part)
        run("umount", str(sysfs))
        run("ip", "link", "add", "far", "type", "veth", "peer", "name", "near")
        for end in ("far", "near"):
            run("ip", "link", "set", end, "addrgenmode", "none", "up")
        self.far_mac, self.near_mac = mac_of("far"), mac_of("near")

    def spec(self, contender):
        return "netdev:near"

    @contextlib.contextmanager
    def prepared(self, contender):
        with set_up("near", contender, self.far_mac):
            yield

    def describe(self):
        return {"name": self.name, "what": "a veth pair in a network namespace", "card": None,
                "driver": "veth", "far_end": "the measuring side, over AF_PACKET", "timestamps": "software"}


class VhostUser(Wire):
    """Aether's back end is the measuring side; contenders are front ends."""
    kinds, name = ("vhost-user",), "vhost-user"
    huge_pages = True

    def open(self, directory):
        self.socket = directory / "wire.sock"
        self.measuring = f"vhost-user-server:{self.socket}"

    def spec(self, contender):
        return f"vhost-user:{self.socket}"

    def describe(self):
        return {"name": self.name, "what": "vhost-user, split off at its rings", "card": None,
                "driver": "vhost-user", "far_end": "the measuring side, over Aether's vhost-user-server:",
                "timestamps": "software"}


class Card(Wire):
    """One card, the kernel's or taken from it. The measuring side is at the other end of its cable, and runs
    already."""
    kinds, name = ("netdev", "card"), "card"
    far_mac = "52:54:00:77:ff:01"
    huge_pages = True
    PATIENCE = 15  # seconds for the kernel to have its card again
    at = card = None  # the file by which the measuring side is spoken to; the card's PCI address

    def open(self, directory):
        self.device = pathlib.Path("/sys/bus/pci/devices") / self.card
        if not self.device.is_dir():
            raise Failure(f"{self.card}: there is no such card")
        self.driver = (self.device / "driver").resolve().name

    def spec(self, contender):
        return f"card:{self.card}" if contender.wire == "card" else f"netdev:{self.interface()}"

    def start(self, place):
        return FarMeasuring(self.at)

    def interface(self):
        end = time.monotonic() + self.PATIENCE
        while time.monotonic() < end:
            for net in (*self.device.glob("net/*"), *self.device.glob("virtio*/net/*")):
                return net.name
            time.sleep(0.05)
        raise Failure(f"{self.card}: the kernel has no interface for it")

    @contextlib.contextmanager
    def prepared(self, contender):
        if contender.wire == "card":
            yield
            return
        name = self.interface()
        run("ip", "link", "set", name, "addrgenmode", "none", "up")
        with set_up(name, contender, self.far_mac):
            yield

    def describe(self):
        ids = ":".join((self.device / name).read_text().strip()[2:] for name in ("vendor", "device"))
        emulated = ", emulated" if pathlib.Path("/run/lab").exists() else ""
        return {"name": self.name, "what": f"a card, {ids}{emulated}",
                "card": ids, "driver": self.driver, "far_end": "the measuring side, outside",
                "timestamps": "software"}


@contextlib.contextmanager
def set_up(interface, contender, far_mac):
    """An interface for one contender: an address only for a socket, or the kernel would answer, too."""
    run("ip", "address", "flush", "dev", interface)
    if contender.layer == "socket":
        run("ip", "address", "add", NEAR + "/24", "dev", interface)
        run("ip", "neighbour", "replace", FAR, "lladdr", far_mac, "dev", interface, "nud", "permanent")
    with set_below(pathlib.Path("/sys/class/net") / interface, contender.interface):
        yield


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


WIRES = {wire.name: wire for wire in (Veth, VhostUser, Card)}


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
