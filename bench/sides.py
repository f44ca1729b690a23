# SPDX-License-Identifier: Apache-2.0
"""The two sides of a wire as processes: the measuring one, and contenders, by the protocol of docs/benchmark.md."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field

from machine import Failure

WAKE = 20    # seconds for a contender to answer for the first time
END = 5      # and to end
PATHS = ("device", "zero-copy", "copy", "kernel")
SAID = 1 << 16  # bytes that are listened to: a pipe of the kernel's
TIED = ("setpriv", "--pdeathsig", "TERM", "--")  # ends with us, however we end


class Lost(Failure):
    """The measuring side ended."""


class Measuring:
    def __init__(self, program, wire, cpu, directory):
        self.command = list(map(str, [program, wire.measuring, wire.far_mac, wire.near_mac, cpu]))
        self.log = directory / f"measuring-{wire.name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True, start_new_session=True)
        self.to, self.answers = self.process.stdin, self.process.stdout
        self.hz = self.hello()

    def hello(self):
        """What others asked for before us may still be answered."""
        number = time.monotonic_ns() % (1 << 40)
        answer = self.ask(work="hello", number=number)
        while answer.get("hello") != number:
            answer = self.hear()
        return answer["hz"]

    def why(self):
        return self.log.read_text().strip() or "without a word"

    def hear(self):
        line = self.answers.readline()
        if not line:
            self.close()
            raise Lost("the measuring side ended: " + self.why())
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = {"error": "what it says is no JSON"}
        if "error" in answer:  # of what was asked for, not of a contender
            raise Lost("the measuring side: " + answer["error"])
        return answer

    def ask(self, **order):
        try:
            self.to.write(json.dumps(order) + "\n")
            self.to.flush()
        except BrokenPipeError:
            pass  # why is in its log
        return self.hear()

    def close(self):
        end(self.process)


class FarMeasuring(Measuring):
    """One that runs already, outside, and is spoken to by a file such as /dev/virtio-ports/measuring."""

    def __init__(self, path):
        port = os.open(path, os.O_RDWR)
        self.to = open(port, "w", encoding="ascii")
        self.answers = open(os.dup(port), encoding="ascii", errors="replace")
        self.hz = self.hello()

    def why(self):
        return "outside"

    def close(self):
        self.to.close()
        self.answers.close()


def end(process):
    """SIGTERM, and again: it may have come before a call that waits."""
    for _ in range(2 * END):
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


def held(stream):
    """What a pipe holds, as text. Who says more than that waits to be ended."""
    os.set_blocking(stream.fileno(), False)
    with contextlib.suppress(BlockingIOError):
        return os.read(stream.fileno(), SAID).decode(errors="replace")
    return ""


def say(words, seconds=20):
    """(status, standard output, standard error) of a program; status None: it did not end."""
    process = subprocess.Popen([*TIED, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return process.poll(), held(process.stdout), held(process.stderr)
    finally:
        end(process)


@dataclass
class Contender:
    program: object
    name: str
    title: str
    wire: str  # the kind
    layer: str
    path: str
    caller: str
    settings: list
    interface: str = ""
    protocol: int = 1
    why: str = ""  # it takes no part, or no longer
    command: list = field(default_factory=list)

    def name_command(self, wire, cpu):
        self.command = self.words("respond", wire, cpu)

    def words(self, verb, wire, *more):
        return list(map(str, [self.program, verb, self.name, wire.spec(self), *more]))

    def check(self, wire):
        with wire.prepared(self):
            status, said, errors = say(self.words("check", wire))
        if status is None:
            self.why = "its check did not end"
        elif status:
            text = said.strip() or errors.strip() or f"its check ended with {status}"
            self.why = text.splitlines()[-1][:500]

    @contextlib.contextmanager
    def running(self, wire, cpu, measuring, directory):
        """Answers by now. Raises Failure when it does not start."""
        log = directory / f"{self.name}.log"
        with wire.prepared(self), open(log, "wb") as out:
            process = subprocess.Popen([*TIED, *self.words("respond", wire, cpu)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=out, start_new_session=True)
            try:
                give_up = time.monotonic() + WAKE
                while not measuring.ask(work="wake", seconds=0.5)["awake"]:
                    if process.poll() is not None or time.monotonic() > give_up:
                        lines = tail(log).strip().splitlines()
                        raise Failure(lines[-1][:500] if lines else f"it did not answer within {WAKE} s")
                yield process
            finally:
                self.ended(process)

    def ended(self, process):
        """What it says at its end: which path it was, where that is another than it described."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        said = held(process.stdout)
        end(process)
        for line in said.splitlines():
            with contextlib.suppress(ValueError, RecursionError, AttributeError):
                path = json.loads(line).get("path")
                self.path = path if path in PATHS else self.path


def tail(log):
    with open(log, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - SAID))
        return file.read(SAID).decode(errors="replace")


def is_text(value, most, least=1):
    return isinstance(value, str) and least <= len(value) <= most


def is_setting(value):
    return isinstance(value, dict) and set(value) == {"what", "value", "source"} and \
        all(is_text(text, 500, name != "value") for name, text in value.items())


# What the file's schema would refuse after an hour is refused now.
MEMBERS = {
    "protocol": lambda value: value == 1,
    "name": lambda value: isinstance(value, str) and re.fullmatch("[a-z0-9][a-z0-9_.-]{0,39}", value),
    "title": lambda value: is_text(value, 60),
    "wire": lambda value: is_text(value, 40),
    "layer": lambda value: value in ("socket", "frame"),
    "path": lambda value: value in PATHS,
    "caller": lambda value: value in ("none", "kernel", "owner", "worker"),
    "settings": lambda value: isinstance(value, list) and len(value) <= 50 and all(map(is_setting, value)),
    "interface": lambda value: is_text(value, 500, 0),
}


def read_description(line):
    one = json.loads(line)
    if not isinstance(one, dict):
        raise ValueError("a line is no object")
    one.setdefault("interface", "")
    for name, is_right in MEMBERS.items():
        if name not in one or not is_right(one[name]):
            raise ValueError(f"the member {name} is missing or wrong")
    return {name: one[name] for name in MEMBERS}


def describe(program):
    """The contenders that one program has."""
    try:
        status, said, _ = say([program, "describe"])
        if status:
            raise ValueError(f"it ended with {status}")
        if status is None:
            raise ValueError("it did not end")
        return [Contender(program=program, **read_description(line)) for line in said.splitlines()]
    except (OSError, ValueError, RecursionError) as error:
        raise Failure(f"{program} describe: this is not the protocol of docs/benchmark.md: {error}") from error


class Noise:
    """What disturbs, on the CPUs of the host partition, while it is entered."""
    WORKS = ("cpu", "timer", "fork", "mmap", "readahead", "udp")

    def __init__(self, cpus, directory):
        works = [word for work in self.WORKS for word in ("--" + work, "1")]
        self.command = ["taskset", "-c", cpus, "stress-ng", *works, "--mmap-bytes", "64M", "--readahead-bytes", "64M",
                        "--temp-path", str(directory)]
        self.log = directory / "noise.log"
        self.process = None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*TIED, *self.command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            return self
        raise Failure("stress-ng does not run: " + self.log.read_text(errors="replace")[-300:])

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(END)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
