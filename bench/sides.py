# SPDX-License-Identifier: Apache-2.0
"""The two sides of a wire as processes: the measuring one, and contenders, by the protocol of docs/benchmark.md."""

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field

from machine import Failure

WAKE = 20    # seconds for a contender to answer for the first time
END = 5      # and to end
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
        answer = json.loads(line)
        if "error" in answer:
            raise Failure("the measuring side: " + answer["error"])
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
        self.answers = open(os.dup(port), encoding="ascii")
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
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


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
            try:
                done = subprocess.run(self.words("check", wire), capture_output=True, text=True, timeout=20,
                                      check=False)
            except subprocess.TimeoutExpired:
                self.why = "its check did not end"
                return
        if done.returncode:
            text = (done.stdout.strip() or done.stderr.strip() or f"its check ended with {done.returncode}")
            self.why = text.splitlines()[-1][:500]

    @contextlib.contextmanager
    def running(self, wire, cpu, measuring, directory):
        """Answers by now. Raises Failure when it does not start."""
        log = directory / f"{self.name}.log"
        with wire.prepared(self), open(log, "wb") as out:
            process = subprocess.Popen([*TIED, *self.words("respond", wire, cpu)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=out, text=True, start_new_session=True)
            try:
                give_up = time.monotonic() + WAKE
                while not measuring.ask(work="wake", seconds=0.5)["awake"]:
                    if process.poll() is not None or time.monotonic() > give_up:
                        lines = log.read_text(errors="replace").strip().splitlines()
                        raise Failure(lines[-1][:500] if lines else f"it did not answer within {WAKE} s")
                yield process
            finally:
                self.ended(process)

    def ended(self, process):
        """What it says at its end: which path it was, where that is another than it described."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            said, _ = process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            end(process)
            return
        for line in said.splitlines():
            with contextlib.suppress(ValueError, AttributeError):
                path = json.loads(line).get("path")
                self.path = path if path in ("device", "zero-copy", "copy", "kernel") else self.path


def describe(program):
    """The contenders that one program has."""
    try:
        done = subprocess.run([program, "describe"], capture_output=True, text=True, timeout=20, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found = [Contender(program=program, **line) for line in lines]
    except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
        raise Failure(f"{program} describe: this is not the protocol of docs/benchmark.md: {error}") from error
    for one in found:
        if one.protocol != 1:
            raise Failure(f"{program}: it speaks version {one.protocol} of the protocol, and this is 1")
    return found


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
