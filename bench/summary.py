# SPDX-License-Identifier: Apache-2.0
"""A benchmark's file as a table for a terminal."""

from statistics import median

COLUMNS = ("p50", "p99", "p99_9", "max")
BEYOND = {"p50": 0.5, "p99": 0.01, "p99_9": 0.001, "max": 1}  # the share of round trips
LEAST = 5  # of them; below that a percentile is one or two events


def time(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


def load_of(one):
    load = one["load"]
    if load["kind"] == "open":
        share = f" ({load['percent']:.0f} %)" if load["percent"] is not None else ""
        return f"{load['rate']} frames a second{share}"
    return "one at a time" if load["kind"] == "closed" else "bursts of the capture"


def of_rounds(one, key):
    values = [each[key] for each in one["rounds"]]
    return median(values), min(values), max(values)


def is_chance(one, key):
    """Do too few round trips lie beyond it, in some round, for it to be more?"""
    return any(each["count"] * BEYOND[key] < LEAST for each in one["rounds"])


def cell(one, key):
    middle, least, most = of_rounds(one, key)
    name = key.replace("_", ".").upper() + ("*" if is_chance(one, key) else "")
    return f"{name} {time(middle)} ({time(least)} to {time(most)})"


def latency(result):
    names = {one["name"]: one["wire"] for one in result["contenders"]}
    groups = {}
    for one in result["latency"]:
        groups.setdefault((names[one["contender"]], load_of(one), one["frame"]), []).append(one)
    for (wire, load, frame), members in groups.items():
        yield ""
        yield f"Round trips over {wire}, {load}, {frame} bytes: median of rounds (least to greatest)"
        for one in members:
            lost = sum(each["lost"] for each in one["rounds"])
            yield f"  {one['contender']:18} {one['host']:5}" + "".join(f"  {cell(one, key):35}" for key in COLUMNS) + \
                (f"  {lost} lost" if lost else "")


def throughput(result):
    if result["throughput"]:
        yield ""
        yield "Highest rate without a loss, there and back, million frames a second: median of rounds (least to greatest)"
    for one in result["throughput"]:
        middle, least, most = of_rounds(one, "rate")
        yield (f"  {one['contender']:18} {one['host']:5}  {one['frame']:4} bytes  {middle / 1e6:.3f} "
               f"({least / 1e6:.3f} to {most / 1e6:.3f})")


def contenders(result):
    yield "Contenders:"
    for one in result["contenders"]:
        yield f"  {one['name']:18} {one['wire']:10} path {one['path']}, calls by {one['caller']}" + \
            ("" if one["runs"] else f"; does not run here: {one['why']}")


def text(result, list_only):
    machine = result["machine"]
    lines = [] if list_only else [
        f"{machine['processor']}{', a virtual machine' if machine['hypervisor'] else ''}, Linux {machine['kernel']}; "
        f"contenders on CPU {machine['quiet_cpu']}; {result['seconds']} s"]
    lines += contenders(result)
    if list_only:
        return "\n".join(lines)
    lines += [*latency(result), *throughput(result)]
    if any(is_chance(one, key) for one in result["latency"] for key in COLUMNS):
        lines += ["", f"* fewer than {LEAST} round trips of a round lie beyond it: chance"]
    refused = [one for one in result["rounds"] if one["refused"]]
    if refused:
        lines += ["", f"{len(refused)} of {len(result['rounds'])} rounds were refused, the last because "
                     f"{refused[-1]['refused']}."]
    if result["ended"] != "whole":
        lines.append("Ended early: " + {"interrupted": "interrupted.", "time": "the time was up."}[result["ended"]])
    return "\n".join(lines).rstrip()
