# SPDX-License-Identifier: GPL-2.0
"""What the project promises, and whether a run kept it.

Rates count only with throttled disks, where the disk is the bottleneck; counts are exact, and count always.
"""

import dataclasses

from . import plan
from .results import Spread, origin, store

RELATIONS = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "==": lambda a, b: a == b}


@dataclasses.dataclass(frozen=True)
class Target:
    name: str
    relation: str
    target: float
    measured: float
    spread: tuple  # smallest and largest over the repeats
    met: bool

    @staticmethod
    def check(name, relation, target, spread):
        """None of spread: not measured, so no target of this run. An equality must hold in every repeat."""
        if spread is None:
            return None
        values = (spread.low, spread.high) if relation == "==" else (spread.median,)
        met = all(RELATIONS[relation](value, target) for value in values)
        return Target(name, relation, target, round(spread.median, 4),
                      (round(spread.low, 4), round(spread.high, 4)), met)


def rates(results):
    held = [n for n in results.snapshots("ddsnap") if n > 0]
    for load in ("random", "sequential"):
        for n in held:
            yield Target.check(f"second touch, {load}, {n} snapshots: rate / dm-linear", ">=", 0.97,
                               results.ratio((f"ddsnap-{n}", load, 2), ("dm-linear", load, 1)))
    yield Target.check("no snapshot, random: rate / dm-linear", ">=", 0.97,
                       results.ratio(("ddsnap-0", "random", 1), ("dm-linear", "random", 1)))
    yield Target.check("first touch, random, 1 snapshot: rate / dm-snapshot with one", ">=", 0.9,
                       results.ratio(("ddsnap-1", "random", 1), ("dm-snapshot-1", "random", 1)))
    for n in held[1:]:
        ratio = results.ratio((f"ddsnap-{n}", "random", 1), ("ddsnap-1", "random", 1))
        away = Spread(abs(ratio.median - 1), *sorted((abs(ratio.low - 1), abs(ratio.high - 1)))) if ratio else None
        name = f"first touch, random, {n} snapshots: difference of the rate from that with {held[0]}"
        yield Target.check(name, "<=", 0.03, away)
    for n in held:
        ratio = results.ratio((f"ddsnap-{n}", "sequential", 1), ("raw", "sequential", 1))
        half = Spread(*(2 * value for value in ratio)) if ratio else None
        yield Target.check(f"first touch, sequential, {n} snapshots: rate / half of the raw disk's", ">=", 0.8, half)


def counts(results):
    for n in (n for n in results.snapshots("ddsnap") if n > 0):
        for load in results.plan.loads:
            yield from first_touch_counts(results, load, n)
        for name in ("random", "sequential"):
            yield Target.check(f"second touch, {name}, {n} snapshots: messages", "==", 0,
                               results.spread(f"ddsnap-{n}", name, 2, messages))
    yield Target.check("no snapshot, random: messages", "==", 0, results.spread("ddsnap-0", "random", 1, messages))
    yield from flat_store_bytes(results)


def first_touch_counts(results, load, n):
    system, chunk_bytes = f"ddsnap-{n}", load.chunks * plan.CHUNK

    def spread(value):
        return results.spread(system, load.name, 1, value)

    where = f"first touch, {load.name}, {n} snapshots"
    yield Target.check(f"{where}: origin bytes read / bytes of the chunks", "==", 1,
                       spread(lambda e: origin(e)["read_bytes"] / chunk_bytes))
    yield Target.check(f"{where}: origin reads / chunks", "<=", 1, spread(lambda e: origin(e)["reads"] / load.chunks))
    yield Target.check(f"{where}: chunks copied / chunks", "==", 1,
                       spread(lambda e: e["own"]["copied_chunks"] / load.chunks))
    yield Target.check(f"{where}: store bytes written / bytes of the chunks", "<=", 1.2,
                       spread(lambda e: store(e)["write_bytes"] / chunk_bytes))


def flat_store_bytes(results):
    """Data alone: how many commits, and so journal blocks, go with them is a matter of timing."""
    held = [n for n in results.snapshots("ddsnap") if n > 0]
    for load in results.plan.loads:
        bytes_written = [results.spread(f"ddsnap-{n}", load.name, 1, lambda e: e["own"]["store_bytes"]) for n in held]
        if len(held) > 1 and all(bytes_written):
            ratio = max(s.high for s in bytes_written) / min(s.low for s in bytes_written)
            yield Target.check(f"first touch, {load.name}: data bytes written to the store, most / least over "
                               f"{held} snapshots", "==", 1, Spread(ratio, ratio, ratio))


def messages(entry):
    """Messages between the kernel target and the daemon, as the target counted them."""
    return entry["own"]["kernel_sent"] + entry["own"]["kernel_received"]


def check(results, with_rates):
    found = list(counts(results))
    if with_rates:
        found = list(rates(results)) + found
    return [target for target in found if target]


def as_json(targets):
    return {"targets": [dataclasses.asdict(target) for target in targets]}
