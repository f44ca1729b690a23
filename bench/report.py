# SPDX-License-Identifier: Apache-2.0
"""What was measured, as lines and as one table."""

import measure

LADDER = ("p50", "p90", "p99", "p99_9", "p99_99", "max")


def summarise(item, rounds, refused, names):
    """One figure: each contender's median over the rounds, and the ratios within them."""
    result = {"work": item.work, "form": item.form, "frame": item.frame, "burst": item.burst,
              "rate": item.rate, "load": item.label, "rounds": len(rounds), "refused": refused,
              "floors": [floors for _, floors in rounds], "contenders": {}, "ratios": {}}
    for name in names:
        samples = [samples[name] for samples, _ in rounds if name in samples]
        if not samples:
            continue
        one = {"rate": measure.spread([s.value for s in samples]), "path": samples[0].raw["path"],
               "clean_slices": sum(s.clean for s in samples),
               "slices": sum(s.slices for s in samples),
               "calls_in_vain": sum(s.raw["empty"] for s in samples) /
                                max(1, sum(s.raw["calls"] for s in samples))}
        if all(s.round_trip for s in samples):
            for key in LADDER:
                one[key] = measure.spread([s.round_trip[key] for s in samples])
        result["contenders"][name] = one
    for ours, theirs in measure.RATIOS:
        if ours in names and theirs in names:
            result["ratios"][f"{ours}/{theirs}"] = measure.compare(rounds, ours, theirs)
    return result


def describe(result):
    text = f"{result['work']:8} {result['form']:6} {result['frame']:4} B burst {result['burst']:2}"
    return text + (f"  {result['load']}" if result["load"] else "")


def figures(result, name):
    one = result["contenders"].get(name)
    if not one:
        return f"{name}: no clean round"
    if "p50" in one:
        return f"{name} " + " ".join(f"{key.replace('_', '.')} {one[key]['median']:.0f}"
                                     for key in LADDER) + " ns"
    rate = one["rate"]
    return (f"{name} {rate['median'] / 1e6:.2f} Mpps "
            f"({rate['min'] / 1e6:.2f}..{rate['max'] / 1e6:.2f}; "
            f"{one['calls_in_vain'] * 100:.0f} % of calls in vain)")


def ratio(result, name):
    parts = []
    for key in ("rate", "p50", "p99_9"):
        one = result["ratios"].get(name, {}).get(key)
        if one:
            label = "" if key == "rate" else key.replace("_", ".") + " "
            parts.append(f"{label}{one['median']:.2f} ({one['min']:.2f}..{one['max']:.2f})")
    return ", ".join(parts)


def line(result):
    parts = [describe(result)] + [figures(result, name) for name in result["contenders"]]
    for name in result["ratios"]:
        text = ratio(result, name)
        if text:
            parts.append(f"{name} {text}")
    if result["load"] and result["floors"]:
        parts.append("floor " + " ".join(
            f"{key.replace('_', '.')} {min(found)}..{max(found)}" for key in ("p50", "p99_9")
            for found in [[floor[key] for floors in result["floors"] for floor in floors]]) + " ns")
    if result["refused"]:
        parts.append(f"{result['refused']} rounds refused")
    return " | ".join(parts) + ("" if result["rounds"] else " | no clean round")


def instructions_line(counted):
    head = f"instructions {counted['work']} {counted['form']} {counted['contender']}: "
    if "error" in counted:
        return head + counted["error"]
    where = ", ".join(f"{name} {cost:.1f}" for name, cost in counted["functions"][:4])
    return head + (f"{counted['per_frame']:.1f} a frame ({where}); "
                   f"{counted['empty_calls']} of {counted['calls']} calls found nothing")


def heading(facts, options, contenders):
    return (f"{facts['processor']}{', a virtual machine' if facts['hypervisor'] else ''}, Linux "
            f"{facts['kernel']}; back end {options.back_end.described} on CPU "
            f"{facts['cpu_of_back_end']}, "
            f"contenders {', '.join(c.name for c in contenders)} on CPU "
            f"{facts['cpu_of_contender']}; queues of {options.queue_size}; "
            f"{options.rounds} rounds a figure")


def table(result):
    """What it came to: one line a figure, the ratios last."""
    facts = result["machine"]
    floors = [floor["p50"] for one in result["results"] for floors in one["floors"]
              for floor in floors]
    lines = ["", "In all:"]
    if floors:
        lines.append(f"  cache-line round trip between the CPUs (P50): {min(floors)} to "
                     f"{max(floors)} ns over all rounds that count")
    lines.append(f"  {facts['seconds']} s; a hypervisor took {facts['stolen_seconds']} s of the two "
                 "CPUs")
    for name, why in result["did_not_run"].items():
        lines.append(f"  {name} took no part (any more): {why}")
    if facts["time_was_up"]:
        lines.append("  The time was up before everything was measured.")
    for one in result["results"]:
        for name in one["ratios"]:
            text = ratio(one, name)
            if text:
                lines.append(f"  {describe(one):50} {name}: {text}")
    return "\n".join(lines)
