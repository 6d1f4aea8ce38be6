# SPDX-License-Identifier: GPL-2.0
"""The measurements of a run, and the statistics taken of them: medians with the smallest and the largest value.

Ratios are taken within a repeat (both sides measured within a minute or two of each other) before the median is.
"""

import collections
import json
import pathlib
import statistics

from . import plan


class Spread(collections.namedtuple("Spread", "median low high")):
    """Of one quantity over all repeats."""

    @staticmethod
    def of(values):
        values = list(values)
        return Spread(statistics.median(values), min(values), max(values)) if values else None


class Results:
    def __init__(self, what, lines):
        self.plan = what
        self.guest, self.entries = lines[0], lines[1:]
        self.by_key = {(e["system"], e["load"], e["touch"], e["repeat"]): e for e in self.entries}
        self.loads = {load.name: load for load in what.loads}

    @staticmethod
    def read(what, path):
        text = pathlib.Path(path).read_text(encoding="utf-8")
        return Results(what, [json.loads(line) for line in text.splitlines()])

    def each(self, system, load, touch=1):
        """{repeat: measurement}"""
        return {key[3]: entry for key, entry in self.by_key.items() if key[:3] == (system, load, touch)}

    def spread(self, system, load, touch, value):
        """Spread of value(measurement); None if it was not measured."""
        return Spread.of(value(entry) for entry in self.each(system, load, touch).values())

    def rate(self, system, load, touch=1):
        return self.spread(system, load, touch, per_second)

    def ratio(self, one, other):
        """Spread of the ratio of two rates, each a (system, load, touch)."""
        left, right = self.each(*one), self.each(*other)
        return Spread.of(per_second(left[r]) / per_second(right[r]) for r in sorted(left.keys() & right.keys()))

    def snapshots(self, kind):
        """Numbers of snapshots that a kind of system was measured with."""
        pairs = map(plan.split, self.plan.systems)
        return sorted(number for name, number in pairs if name == kind and number is not None)


def per_second(entry):
    return entry["operations"] * 1e9 / entry["elapsed_ns"]


def origin(entry):
    return entry["disks"]["vda"]


def store(entry):
    return entry["disks"]["vdb"]
