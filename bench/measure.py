# SPDX-License-Identifier: Apache-2.0
"""Samples, rounds and what they come to.

A sample is one run of one contender. A round is one sample of each contender, in turn, with the floor
measured before, between and after. Contenders are compared within a round, and only when its floors
are alike: the CPUs of a virtual machine may share a core in one minute and not in the next.
"""

import json
import statistics
import subprocess
import time
from dataclasses import dataclass, field

import machine

ALIKE = 1.15  # the greatest floor of a round over its smallest
FLOWS = ("receive", "send", "exchange", "echo")


@dataclass(frozen=True)
class Contender:
    name: str
    program: str
    split: str = ""   # options for the driver, in its own words
    packed: str = ""

    def driver(self, form):
        return self.packed if form == "packed" else self.split


# Each driver as it comes. "merging" is with the features that DPDK takes by itself, mergeable buffers among
# them, which Aether leaves out; "checksum" is with checksum offload, which both leave out. "tuned" is DPDK with
# the choices that its documentation gives for speed, which let it take its vector paths where the rings have them.
CONTENDERS = {one.name: one for one in (
    Contender("aether", "contender_aether"),
    Contender("dpdk", "contender_dpdk"),
    Contender("dpdk-tuned", "contender_dpdk", "mrg_rxbuf=0,in_order=0,vectorized=1",
              "mrg_rxbuf=0,in_order=1,vectorized=1"),
    Contender("aether-merging", "contender_aether", "mrg_rxbuf=on", "mrg_rxbuf=on"),
    Contender("aether-checksum", "contender_aether", "csum=on", "csum=on"),
)}

# Ours over theirs.
RATIOS = (("aether", "dpdk"), ("aether", "dpdk-tuned"), ("aether-merging", "dpdk"),
          ("aether-checksum", "dpdk"))


@dataclass(frozen=True)
class Item:
    """One thing to measure."""
    work: str
    form: str  # "split" or "packed"
    frame: int = 64
    burst: int = 32
    rate: int = 0
    label: str = ""

    def mode(self):
        return {"receive": "txonly", "send": "rxonly"}.get(self.work, "io")


@dataclass
class Sample:
    value: float = 0        # frames a second, median of the clean slices
    round_trip: dict = field(default_factory=dict)
    clean: int = 0
    slices: int = 0
    kept: int = 0           # clean slices in which nothing was lost or late
    raw: dict = field(default_factory=dict)


class Bench:
    def __init__(self, build, cpus, queue, slices, deadline):
        self.build, self.cpus, self.queue, self.slices = build, cpus, queue, slices
        self.deadline = deadline
        self.broken = {}  # contender: why it takes no part

    def time_left(self):
        return self.deadline - time.monotonic()

    def command(self, contender, item, back_end, *more):
        line = [self.build / "bench" / contender.program, item.work, "--path", back_end.path,
                "--cpu", self.cpus[1], "--peer", back_end.worker, "--queue-size", self.queue,
                "--frame", item.frame, "--burst", item.burst, *more]
        if item.form == "packed":
            line.append("--packed")
        if contender.driver(item.form):
            line += ["--driver", contender.driver(item.form)]
        if item.rate:
            line += ["--rate", item.rate]
        return list(map(str, line))

    def sample(self, contender, item, back_end, slices=None):
        """None when it failed, and then it takes no part any more."""
        line = self.command(contender, item, back_end, "--slices", slices or self.slices)
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=60)
            why = done.stderr.strip() or f"ended with {done.returncode}"
        except subprocess.TimeoutExpired:
            done, why = None, "did not end"
        finally:
            back_end.calm()
        if done is None or done.returncode:
            self.broken[contender.name] = why.splitlines()[-1]
            return None
        raw = json.loads(done.stdout.splitlines()[-1])
        clean = [slice for slice in raw["slices"] if slice[2]]
        return Sample(
            value=statistics.median([s[0] * 1e9 / s[1] for s in clean]) if clean else 0,
            round_trip=raw.get("round_trip", {}), clean=len(clean), slices=len(raw["slices"]),
            kept=sum(1 for slice in clean if slice[3]), raw=raw)

    def floor(self):
        return machine.floor(self.build, self.cpus)

    def round(self, contenders, item, back_end, turn):
        """({name: Sample}, floors), or None when the machine was not the same throughout."""
        order = [contenders[(i + turn) % len(contenders)] for i in range(len(contenders))]
        samples, floors = {}, [self.floor()]
        for contender in order:
            if contender.name in self.broken:
                continue
            sample = self.sample(contender, item, back_end)
            floors.append(self.floor())
            if sample is None:
                continue
            if sample.clean * 2 < sample.slices:
                return None
            samples[contender.name] = sample
        medians = [floor["p50"] for floor in floors]
        if max(medians) > ALIKE * min(medians):
            return None
        return samples, floors

    def rounds(self, contenders, item, back_end, count):
        """Up to `count` good rounds, out of at most twice as many."""
        good, refused = [], 0
        while len(good) < count and refused <= count and self.time_left() > 0:
            one = self.round(contenders, item, back_end, len(good) + refused)
            if one and one[0]:
                good.append(one)
            elif not [c for c in contenders if c.name not in self.broken]:
                break
            else:
                refused += 1
        return good, refused

    def highest(self, contender, item, back_end):
        """The highest rate, of frames a second there and back, at which a slice lost nothing."""
        low, high = 0, 32_000_000
        for _ in range(8):
            rate = (low + high) // 2
            one = Item("pace", item.form, item.frame, item.burst, rate)
            sample = self.sample(contender, one, back_end, slices=5)
            if sample is None or self.time_left() <= 0:
                break
            if sample.kept * 2 > sample.clean:
                low = rate
            else:
                high = rate
        return low

    def instructions(self, contender, item, back_end, directory, count=20000):
        """Instructions per frame inside the driver's burst call, and the functions they are in."""
        counted = count_instructions(
            self.command(contender, item, back_end, "--limit", count, "--slices", 100,
                         "--slice-ms", 1000, "--plain"), item, directory)
        if "error" not in counted and counted["empty_calls"] * 2 > counted["calls"]:
            return {"error": "the back end did not keep up: too many calls found nothing to do"}
        return counted

    def recorded(self, item, directory, count=20000):
        """The same of Aether's driver on a prepared ring, without a back end: always the same."""
        return count_instructions([self.build / "bench" / "recorded", item.work, item.form, count],
                                  item, directory)

    def card(self, item, directory, count=20000):
        """Of the 82574L's driver on a card in memory, one frame at a time, idle polls apart."""
        return count_instructions([self.build / "bench" / "recorded_card", item.work, count],
                                  item, directory)


def count_instructions(command, item, directory):
    call = "bench_take*" if item.work == "receive" else "bench_give*"  # or a clone of it
    for old in directory.glob("callgrind.*"):
        old.unlink()
    try:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/callgrind.%p",
             "--collect-atstart=no", f"--toggle-collect={call}", *map(str, command)],
            capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        return {"error": "did not end under callgrind"}
    if done.returncode:
        # Lines of valgrind's own begin with ==PID== or --PID--.
        own = [line for line in done.stderr.splitlines() if line[:2] not in ("", "==", "--")]
        return {"error": own[-1] if own else f"ended with {done.returncode} under callgrind"}
    raw = json.loads(done.stdout.splitlines()[-1])
    # A file for each process that it started; none of them calls what is counted.
    functions, total = max((read_callgrind(out) for out in directory.glob("callgrind.*")),
                           key=lambda read: read[1])
    if not total or not raw["received"]:
        raise machine.Failure(f"callgrind counted nothing in {call} of {command[0]}")
    return {"per_frame": total / raw["received"], "frames": raw["received"], "calls": raw["calls"],
            "empty_calls": raw["empty"], "path": raw["path"],
            "functions": [[name, cost / raw["received"]] for name, cost in functions[:6]]}


def read_callgrind(path):
    """[(function, own instructions)], dearest first, and the total."""
    names, costs, current, call = {}, {}, None, False
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            line = line.rstrip()
            if line.startswith("fn="):
                ident, _, name = line[3:].partition(" ")
                current = names.setdefault(ident, name)
            elif line.startswith("cfn="):
                ident, _, name = line[4:].partition(" ")
                names.setdefault(ident, name)
            elif line.startswith("calls="):
                call = True
            elif line[:1] in "0123456789+-*" and line and current:
                if not call:  # the line after calls= is what the called one cost
                    costs[current] = costs.get(current, 0) + int(line.split()[1])
                call = False
    return sorted(costs.items(), key=lambda pair: -pair[1]), sum(costs.values())


def spread(values):
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "count": len(values)} if values else None


def compare(rounds, ours, theirs):
    """Ratios within each round, ours over theirs."""
    pairs = [(samples[ours], samples[theirs]) for samples, _ in rounds
             if ours in samples and theirs in samples]
    result = {}
    if pairs and pairs[0][0].round_trip:
        for key in ("p50", "p90", "p99", "p99_9", "p99_99", "max"):
            result[key] = spread([a.round_trip[key] / b.round_trip[key] for a, b in pairs
                                  if a.round_trip and b.round_trip])
    elif pairs:
        result["rate"] = spread([a.value / b.value for a, b in pairs if b.value])
    return result
