# SPDX-License-Identifier: GPL-2.0
"""What replication promises, and whether a run kept it."""

import statistics

from lib.results import Spread
from lib.targets import RELATIONS, Target

WIRE_FACTOR, WIRE_BYTES = 1.02, 64 << 10


def of_stage(lines, stage, **wanted):
    return [e for e in lines if e["stage"] == stage and all(e[key] == value for key, value in wanted.items())]


def values_of(lines, stage, key):
    """The different values of a key, in the order in which they come."""
    return list(dict.fromkeys(e[key] for e in of_stage(lines, stage)))


def always(name, relation, target, values):
    """It has to hold in every repeat: the worst one is `measured`."""
    worst = (min if relation == ">=" else max)(values)
    return Target(name, relation, target, round(worst, 4), (round(min(values), 4), round(max(values), 4)),
                  RELATIONS[relation](worst, target))


def wire(lines):
    for size in values_of(lines, "wire", "chunk_bytes"):
        found = of_stage(lines, "wire", chunk_bytes=size)
        yield always(f"bytes on the wire, chunks of {size >> 10} KiB, uncompressed / (1.02 × changed non-zero bytes + 64 KiB)",
                     "<=", 1, [e["stream_bytes"] / (WIRE_FACTOR * e["nonzero_bytes"] + WIRE_BYTES) for e in found])


def delta(lines):
    for entry in of_stage(lines, "delta"):
        yield from (Target(t["name"], t["relation"], t["target"], round(t["measured"], 4),
                           tuple(round(s, 4) for s in t["spread"]), t["met"]) for t in entry["targets"] if t)
        single = {row["changed"]: row["ms"] / row["changed"] for row in entry["results"] if row["run"] == 1}
        more = [each / single[1000] for changed, each in single.items() if changed >= 1000]
        yield always("delta, time for each changed chunk / that of 1,000 changed chunks, up to the most", "<=", 2, more)


def pairs(lines, stage, one, other, **wanted):
    """Ratios seconds of `one` / seconds of `other`, each within a repeat."""
    left, right = ({e["repeat"]: e["seconds"] for e in of_stage(lines, stage, system=system, **wanted)}
                   for system in (one, other))
    return Spread.of(left[r] / right[r] for r in sorted(left.keys() & right.keys()))


def throughput(lines):
    for kind in values_of(lines, "throughput", "kind"):
        yield Target.check(f"throughput, {kind}, uncompressed: rate / that of dd", ">=", 0.8,
                           pairs(lines, "throughput", "dd", "ours", kind=kind))


def foretold_end(entry):
    """The largest error of the end foretold in the second half, as a share of the whole duration."""
    told = [line for line in entry["lines"] if line["event"] == "progress" and line["seconds_left"] is not None]
    whole = entry["lines"][-1]["seconds"]
    errors = [abs(line["seconds"] + line["seconds_left"] - whole) / whole for line in told if line["seconds"] >= whole / 2]
    if not errors:
        raise RuntimeError(f"no progress was said in the second half of {whole} s")
    return max(errors)


def foretold_bytes(entry):
    """The largest difference between the bytes left that were said and those that came through the pipe afterwards.

    The sender has written what it does not count as left; a pipe's content and the record that is being handed on have
    not come through yet, and while a line is read more may have. As a share of the whole.
    """
    return max(abs(line["bytes_left"] - line["counted_left"]) / line["bytes_total"] for line in entry["lines"])


def progress(lines):
    found = of_stage(lines, "progress")
    if found:
        errors = [foretold_end(e) for e in found]
        yield Target.check("progress: error of the end foretold in the second half / duration", "<=", 0.1, Spread.of(errors))
        yield always("progress: bytes left, as said and as counted in the pipe: difference / all", "<=", 0.02,
                     [foretold_bytes(e) for e in found])


def medians(lines, key, **wanted):
    """{value of key: median of our seconds}"""
    found = of_stage(lines, "cycle", system="ours", caches="warm", **wanted)
    return {value: statistics.median(e["seconds"] for e in found if e[key] == value)
            for value in sorted({e[key] for e in found})}


def cycles(lines):
    found = of_stage(lines, "cycle")
    if not found:
        return
    most = max(e["files"] for e in found if e["rsync"])
    for caches in values_of(lines, "cycle", "caches"):
        yield Target.check(f"cycle, 1,000 changed chunks, {most:,} files, {caches} caches: time of rsync / ours", ">=", 50,
                           pairs(lines, "cycle", "rsync", "ours", files=most, caches=caches))
    gib = statistics.mode(e["gib"] for e in found)
    files = min(e["files"] for e in found)
    for what, each in ((f"whatever the number of files, {gib} GiB", medians(lines, "files", gib=gib)),
                       (f"whatever the size, {files:,} files", medians(lines, "gib", files=files))):
        if len(each) > 1:
            yield always(f"cycle, {what}: longest / shortest median time", "<=", 1.5,
                         [max(each.values()) / min(each.values())])


def check(lines):
    found = [*wire(lines), *delta(lines), *throughput(lines), *progress(lines), *cycles(lines)]
    return [target for target in found if target]
