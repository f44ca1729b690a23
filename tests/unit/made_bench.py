# SPDX-License-Identifier: Apache-2.0
"""A benchmark as it may have been measured: of two wires, with long tails, always the same."""
import math
import random

HOSTS = ("quiet", "noisy")
LADDER = {"min": 0, "p50": 50, "p90": 90, "p99": 99, "p99_9": 99.9, "p99_99": 99.99, "max": 100}
# name, title, wire, path, caller, median in ns, how much longer each nine is, how much more beside noise, Mpps
CONTENDERS = (
    ("vfio", "Aether over VFIO", "card", "device", "none", 3200, 1.12, 1.05, 14.8),
    ("xdp-quiet", "AF_XDP, quiet", "card", "zero-copy", "owner", 9800, 1.3, 1.3, 9.6),
    ("xdp-partition", "AF_XDP inline, on the partition", "card", "zero-copy", "worker", 11200, 1.6, 1.8, 8.1),
    ("xdp-inline", "AF_XDP inline, as people run it", "card", "copy", "worker", 14200, 2.1, 4.1, 5.7),
    ("packet", "AF_PACKET, TPACKET_V3", "card", "kernel", "worker", 21000, 2.2, 4.4, 2.1),
    ("socket", "Kernel socket, SO_BUSY_POLL", "card", "kernel", "worker", 17500, 2.3, 4.6, 1.2),
    ("io-uring", "io_uring", "card", "kernel", "worker", 19000, 2.4, 4.8, 1.4),
    ("blocking", "Kernel socket, blocking", "card", "kernel", "worker", 32000, 2.2, 5.2, 0.9),
    ("vhost", "Aether over vhost-user", "memory", "device", "none", 760, 1.4, 1.1, 16.3),
    ("dpdk", "DPDK over vhost-user", "memory", "device", "none", 1040, 1.5, 1.2, 12.9),
)
ABSENT = ("veth-zc", "AF_XDP, zero copy over veth", "memory", "zero-copy", "worker")
LOADS = ({"kind": "closed", "rate": 0, "percent": None}, {"kind": "open", "rate": 40000, "percent": 50})
FRAMES = (64, 128, 256, 512, 1024, 1514)


def bucket(ns):
    """The greatest value that counts as this one: include/aether/histogram.h."""
    shift = max(0, ns.bit_length() - 11)
    return ((ns >> shift) + 1 << shift) - 1


def percentile(values, percent):
    return values[0] if percent == 0 else values[max(0, math.ceil(len(values) * percent / 100 - 1e-9) - 1)]


def histogram(values):
    counts = {}
    for value in values:
        counts[bucket(value)] = counts.get(bucket(value), 0) + 1
    pairs = sorted(map(list, counts.items()))
    pairs[-1][0] = max(values)
    return pairs


def latency(name, host, load, median, tail, noise, scale, probes, rounds, chance):
    all_values, made = [], []
    for number in rounds:
        worse = noise if host == "noisy" else 1
        values = []
        for _ in range(probes):
            nines = -math.log10(1 - chance.random())
            values.append(int(median * scale * (0.97 + 0.02 * chance.random() + 0.02 * nines) *
                              (tail * worse) ** max(0, nines - 1) + 20 * chance.random()))
        slots = [max(values[i:i + probes // 200]) for i in range(0, probes, probes // 200)]
        all_values += values
        values.sort()
        made.append({"round": number, "sent": probes + 3, "lost": 3, "count": probes} |
                    {key: percentile(values, percent) for key, percent in LADDER.items()})
    if host == "noisy" and slots:
        slots[3] = None
    return {"contender": name, "host": host, "load": load, "frame": 64, "rounds": made,
            "histogram": histogram(all_values), "over_time": {"slot_ns": 50000000, "max": slots}}


def contender(name, title, wire, path, caller, why=""):
    return {"name": name, "title": title, "wire": wire, "path": path, "caller": caller, "runs": not why, "why": why,
            "command": ["bench/contender", "--path", path, "port:" + name, "it's one"],
            "settings": [{"what": "busy_poll_us", "value": "50", "source": "Documentation/networking/napi.rst"},
                         {"what": "ring entries", "value": "2048", "source": "xdp-tools, xdp-bench"}]}


def made_bench(probes=20000, seed=7):
    chance = random.Random(seed)
    accepted = {"quiet": (1, 3, 6), "noisy": (2, 4, 5)}
    floor = {"what": "cache_line", "p50": 290, "p99_9": 1900, "max": 41000}
    rounds = [{"round": number, "host": host, "floor": floor, "refused": None}
              for host in HOSTS for number in accepted[host]]
    rounds.append({"round": 7, "host": "noisy", "floor": dict(floor, p50=700), "refused": "the floor was 2.4 times"})
    rounds.sort(key=lambda one: one["round"])
    latencies, throughputs = [], []
    for load, scale in zip(LOADS, (1, 1.25)):
        for name, _, _, _, _, median, tail, noise, _ in CONTENDERS:
            for host in HOSTS:
                latencies.append(latency(name, host, load, median, tail, noise, scale, probes, accepted[host], chance))
    for name, _, _, _, _, _, _, noise, mpps in CONTENDERS:
        for host in HOSTS:
            for frame in FRAMES:
                rate = mpps * 1e6 * (64 / frame) ** 0.35 / (1 + (noise - 1) / 9 if host == "noisy" else 1)
                throughputs.append({"contender": name, "host": host, "work": "loss_free", "frame": frame, "rounds": [
                    {"round": number, "rate": rate * (0.96 + 0.08 * chance.random())} for number in accepted[host]]})
    return {
        "benchmark": 1, "kind": "compare", "made_by": "aether 0.1.0", "at": "2026-11-28T15:00:00Z", "seconds": 1834.5,
        "command": ["aether", "bench", "compare", "--wire", "card"], "ended": "whole",
        "machine": {
            "processor": "A processor <b>of & for</b> tests", "hypervisor": True, "emulated": True, "cpus_online": 4,
            "quiet_cpu": 3, "kernel": "6.1.0-41-amd64", "kernel_parameters": "isolcpus=3 nohz_full=3 rcu_nocbs=3",
            "clock": {"source": "tsc", "invariant": True, "hz": 2400012345.0, "error_ppm": 0.4},
            "noise": ["stress-ng", "--cpu", "1", "--timer", "1", "--fork", "1", "--mmap", "1"]},
        "wires": [
            {"name": "card", "what": "an emulated 82574L", "card": "8086:10d3", "driver": "e1000e",
             "far_end": "a sender on the other side of the emulator", "timestamps": "software"},
            {"name": "memory", "what": "vhost-user", "card": None, "driver": "virtio-net",
             "far_end": "the same sender, by shared memory", "timestamps": "software"}],
        "contenders": [contender(*one[:5]) for one in CONTENDERS] +
                      [contender(*ABSENT, why="veth has no zero copy: this kernel refuses it")],
        "rounds": rounds, "latency": latencies, "throughput": throughputs,
        "certificates": [
            {"contender": "vfio", "host": "noisy", "verdict": "quiet", "seconds": 60.2, "entries": 0,
             "frames": 1200000, "file": "ab" * 32},
            {"contender": "xdp-inline", "host": "noisy", "verdict": "disturbed", "seconds": 60.1, "entries": 2412,
             "frames": None, "file": None}],
    }
