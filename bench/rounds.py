# SPDX-License-Identifier: Apache-2.0
"""Rounds of a benchmark: each contender once, in an order that turns, and the floor between them.

Contenders are compared within a round, and only when the machine was the same throughout: its floors are alike,
and the measuring side had its CPU. Otherwise the round is refused, and its figures are kept nowhere.
"""

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

import machine
from machine import Failure
from sides import Lost, Noise

LADDER = ("count", "min", "p50", "p90", "p99", "p99_9", "p99_99", "max")
SHARES = (10, 50, 90)
HIGHEST = 64_000_000  # frames a second: more than any measuring side can send
FLOOR = 10_000        # round trips of a cache line
FLOOR_TRIES = 3       # something else may keep a CPU
WARM_UP = 0.1         # seconds, at most: caches, clocks and pages of a contender that has just begun
BISECTIONS = 6        # to 2 % of what is between a rate and its double


@dataclass(frozen=True)
class Load:
    kind: str            # closed, open, bursts
    rate: int = 0
    percent: float = None
    capture: str = ""

    def order(self, seconds, frame):
        slot = max(1_000_000, int(seconds * 1e9 / 1000))
        order = {"work": self.kind, "seconds": seconds, "frame": frame, "slot_ns": slot}
        if self.kind == "open":
            order["rate"] = self.rate
        if self.kind == "bursts":
            order["capture"] = self.capture
        return order

    def describe(self):
        return {"kind": self.kind, "rate": self.rate, "percent": self.percent}


@dataclass
class Plan:
    """What was asked for."""
    rounds: int
    seconds: float        # of one load
    trial: float          # of one step of the search, seconds
    sizes: list           # of frames, for the search
    frame: int            # of loads
    rates: list           # frames a second, instead of shares of the highest; may be empty
    closed: bool
    capture: str
    latency: bool
    throughput: bool
    hosts: tuple
    tolerance: float      # how much floors may differ, and the measuring side may wait: a share


@dataclass
class Figures:
    """Of one wire, all rounds that count."""
    rounds: list = field(default_factory=list)
    latency: dict = field(default_factory=dict)     # (contender, host, load, frame): member of the file
    throughput: dict = field(default_factory=dict)  # (contender, host, frame)


class Bench:
    """One benchmark over one wire."""

    def __init__(self, wire, contenders, plan, place, tell):
        self.wire, self.contenders, self.plan, self.place, self.tell = wire, contenders, plan, place, tell
        self.figures = Figures()
        self.measuring = None
        self.loads = []
        self.good, self.refused = Counter(), Counter()  # rounds, of a host
        self.waited = self.measured = 0  # seconds of the measuring side, in this round

    @contextlib.contextmanager
    def opened(self):
        """Rounds can be had until it is left."""
        wanted = [one for one in self.contenders if not one.why]
        if not wanted:
            yield
            return
        self.measuring = self.wire.start(self.place)
        try:
            if self.plan.latency:
                self.loads = self.choose_loads(wanted)
            yield
        finally:
            self.measuring.close()

    def wants(self, host):
        """One more round: as many good ones as were asked for, and no more than these and one are refused."""
        return self.measuring is not None and self.good[host] < self.plan.rounds and \
            self.refused[host] <= self.plan.rounds and self.place.time_left() > 0 and \
            any(not one.why for one in self.contenders)

    # ---- Loads ----

    def choose_loads(self, wanted):
        """The same for all: shares of the highest rate at which the slowest of them lost nothing."""
        loads = [Load("closed")] if self.plan.closed else []
        loads += [Load("open", rate) for rate in self.plan.rates]
        if self.plan.capture:
            loads.append(Load("bursts", capture=self.plan.capture))
        if self.plan.rates:
            return loads
        highest = {}
        for one in wanted:
            self.tell(f"{self.wire.name}: {one.name}: the highest rate without a loss")
            rate = self.of(one, lambda: self.search(self.plan.frame))
            if rate:
                highest[one.name] = rate
        slowest = min(highest.values(), default=0)
        return loads + [Load("open", max(1, int(slowest * share / 100)), share) for share in SHARES if slowest]

    def of(self, contender, work):
        """What `work` returns while it runs, or None. Who fails takes no part any more."""
        try:
            with contender.running(self.wire, self.place.cpus[1], self.measuring, self.place.directory):
                return work()
        except Lost as lost:  # nobody can be measured on this wire any more
            for one in self.contenders:
                one.why = one.why or str(lost)[:500]
        except Failure as failure:
            contender.why = str(failure)[:500]
        return None

    def ask(self, **order):
        answer = self.measuring.ask(**order)
        self.waited += answer["waited"]
        self.measured += order["seconds"]
        return answer

    def loses_nothing(self, rate, frame):
        """Of RFC 2544's throughput, 26.1, but for its sixty seconds. A loss is looked at twice: the machine's own
        mishaps are not the contender's."""
        for _ in range(2):
            got = self.ask(work="open", rate=rate, seconds=self.plan.trial, frame=frame)
            if got["offered"] == got["sent"] == got["received"] > 0:
                return True
        return False

    def search(self, frame):
        low, high = 0, 1000
        while high < HIGHEST and self.loses_nothing(high, frame):
            low, high = high, high * 2
        for _ in range(BISECTIONS):
            middle = (low + high) // 2
            if middle and self.loses_nothing(middle, frame):
                low = middle
            else:
                high = middle
        return low

    # ---- Rounds ----

    def round(self, host):
        """Also when it is interrupted: what there is counts, if the machine was the same until then."""
        found, floors, why, ended = [], [self.place.floor()], None, None
        self.waited = self.measured = 0
        try:
            self.contend(host, found, floors)
        except Failure as failure:
            why = str(failure)[:500]
        except KeyboardInterrupt as interrupt:
            ended = interrupt
        try:
            floors.append(self.place.floor())
        except Failure as failure:
            why = why or str(failure)[:500]
        why = why or self.refusal(floors, found)
        self.note(host, floors, why, found)
        (self.refused if why else self.good)[host] += 1
        if ended:
            raise ended

    def contend(self, host, found, floors):
        turn = self.good[host] + self.refused[host]
        order = self.contenders[turn % len(self.contenders):] + self.contenders[:turn % len(self.contenders)]
        with Noise(self.place.host_cpus, self.place.directory) if host == "noisy" else contextlib.nullcontext() \
                as noise:
            if noise:
                self.place.noise = noise.command
            for one in order:
                if one.why or self.place.time_left() <= 0:
                    continue
                self.tell(f"{self.wire.name}, host {host}, round {turn + 1}: {one.name}")
                found += self.of(one, lambda one=one: self.figures_of(one, host)) or []
                if host == "quiet":
                    floors.append(self.place.floor())

    def refusal(self, floors, found):
        if not found:
            return "nothing was measured in it"
        least, most = min(f["p50"] for f in floors), max(f["p50"] for f in floors)
        if most > least * (1 + self.plan.tolerance):
            return f"the floor was {least} ns and {most} ns"
        if self.waited > self.measured * self.plan.tolerance:
            return f"the measuring side waited for its CPU for {self.waited:.2f} of {self.measured:.1f} s"
        return None

    def figures_of(self, contender, host):
        """[(kind, key, ...)] of one contender in one round."""
        found = []
        self.ask(work="closed", seconds=min(WARM_UP, self.plan.seconds), frame=self.plan.frame)
        if self.plan.throughput:
            for frame in self.plan.sizes:
                found.append(("throughput", (contender.name, host, frame), self.search(frame)))
        for load in self.loads:
            found.append(("latency", (contender.name, host, load, self.plan.frame), self.trips(load)))
        return found

    def trips(self, load):
        """Looked at twice, as losses are. Who returns nothing has no percentiles, and is not left out in silence."""
        for _ in range(2):
            got = self.ask(**load.order(self.plan.seconds, self.plan.frame))
            if got["received"]:
                return got
        raise Failure(f"it returned none of {got['offered']} frames, load {load.kind}, rate {load.rate}")

    def note(self, host, floors, why, found):
        floor = sorted(floors, key=lambda one: one["p50"])[len(floors) // 2]
        self.figures.rounds.append({
            "round": self.place.next_round(), "host": host, "refused": why,
            "floor": {"what": "cache_line", **{key: floor[key] for key in ("p50", "p99_9", "max")}}})
        if why:
            return
        number = self.figures.rounds[-1]["round"]
        for kind, key, got in found:
            if kind == "throughput":
                self.figures.throughput.setdefault(key, []).append({"round": number, "rate": got})
            else:
                self.note_latency(key, number, got)

    def note_latency(self, key, number, got):
        one = self.figures.latency.setdefault(key, {"rounds": [], "histogram": Counter(), "over_time": None})
        trip = got["round_trip"]
        # What could not even be sent in time was held back by who did not take it.
        one["rounds"].append({"round": number, "sent": got["offered"], "lost": got["offered"] - got["received"],
                              **{name: trip[name] for name in LADDER}})
        one["histogram"].update(dict(got["histogram"]))
        one["over_time"] = got["over_time"]

    # ---- What the file has of it ----

    def measured_names(self):
        return {key[0] for key in (*self.figures.latency, *self.figures.throughput)}

    def latency(self):
        return [{"contender": name, "host": host, "load": load.describe(), "frame": frame, "rounds": one["rounds"],
                 "histogram": sorted(map(list, one["histogram"].items())), "over_time": one["over_time"]}
                for (name, host, load, frame), one in self.figures.latency.items()]

    def throughput(self):
        return [{"contender": name, "host": host, "work": "loss_free", "frame": frame, "rounds": rounds}
                for (name, host, frame), rounds in self.figures.throughput.items()]


class Place:
    """Where it runs: directory, programs, CPUs, the time there is."""

    def __init__(self, directory, build, cpus, host_cpus, limit):
        self.directory, self.build, self.cpus, self.host_cpus = directory, build, cpus, host_cpus
        self.measuring = build / "bench" / "measuring"
        self.start = time.monotonic()
        self.deadline = self.start + limit
        self.noise = None
        self.rounds = 0

    def time_left(self):
        return self.deadline - time.monotonic()

    def next_round(self):
        self.rounds += 1
        return self.rounds

    def floor(self):
        for _ in range(FLOOR_TRIES - 1):
            with contextlib.suppress(Failure):
                return machine.floor(self.build, self.cpus, FLOOR)
        return machine.floor(self.build, self.cpus, FLOOR)
