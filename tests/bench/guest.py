#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The part of tests/bench/run that runs in the guest: guest.py PLAN.json RESULTS.

Writes one JSON object a line to RESULTS, as it goes: first what the guest is, then one for each measurement.
"""

import json
import os
import pathlib
import platform
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import counts, plan, systems  # noqa: E402

DISKS = (systems.ORIGIN, systems.STORE)


class Bench:
    def __init__(self, what, results):
        self.plan = what
        self.results = results
        self.started = time.monotonic()

    def say(self, message):
        print(f"[{time.monotonic() - self.started:6.0f} s] {message}", flush=True)

    def record(self, entry):
        self.results.write(json.dumps(entry) + "\n")
        self.results.flush()

    def run_load(self, device, load, seed):
        argv = [self.plan.load_program, "--device", device, "--first", load.first, "--length", load.length,
                "--block", load.block, "--step", load.step, "--depth", load.depth, "--seed", seed]
        if load.shuffle:
            argv.append("--shuffle")
        return json.loads(systems.run(*argv))

    def measure(self, system, load, seed):
        state_before = system.state()
        own_before = system.counters()
        before = counts.settled(DISKS)
        outcome = self.run_load(system.device, load, seed)
        at_end = counts.read_all(DISKS)
        after = counts.settled(DISKS)
        own_after = system.counters()
        return {
            **outcome,
            "disks": {disk: counts.difference(before[disk], after[disk]) for disk in DISKS},
            "times": {disk: counts.times(before[disk], at_end[disk]) for disk in DISKS},
            "own": {key: own_after[key] - own_before[key] for key in own_before},
            "state_before": state_before,
            "state": system.state(),
        }

    def visit(self, name, repeat):
        """Sets a system up, runs every load on it, and takes it down."""
        with systems.make(name) as system:
            for load in self.plan.loads:
                for touch in range(1, load.touches + 1):
                    if touch > 1 and plan.split(name)[1] is None:
                        continue  # no snapshots, no touches
                    entry = self.measure(system, load, self.plan.seed + 100 * repeat + touch)
                    self.record({"system": name, "load": load.name, "touch": touch, "repeat": repeat, **entry})
                    rate = entry["operations"] * 1e9 / entry["elapsed_ns"]
                    self.say(f"{repeat + 1}/{self.plan.repeats} {name:14} {load.name:10} touch {touch}: "
                             f"{rate:8.1f}/s {rate * load.block / 1e6:7.1f} MB/s")

    def prepare(self):
        """No chunk of the origin may be zero (ours stores such chunks without writing them)."""
        for load in self.plan.loads:
            fill = plan.Load("fill", "fill", load.first, load.length, plan.MIB, plan.MIB, 4, False, 1)
            self.run_load(f"/dev/{systems.ORIGIN}", fill, self.plan.seed)

    def run(self):
        self.prepare()
        names = self.plan.systems
        for repeat in range(self.plan.repeats):
            turn = repeat % len(names)
            for name in names[turn:] + names[:turn]:
                self.visit(name, repeat)


def silence_udev():
    """udev reads the head of every disk that appears or was written to, which would be counted as I/O of a system."""
    systems.run("udevadm", "settle", "--timeout=60")
    systems.run("udevadm", "control", "--exit")
    os.environ["DM_DISABLE_UDEV"] = "1"  # libdevmapper then makes the nodes itself


def modules(names):
    kinds = {plan.split(name)[0] for name in names}
    for kind, module in (("dm-linear", "dm_mod"), ("dm-snapshot", "dm_snapshot"), ("ddsnap", "dm_ddsnap")):
        if kind in kinds:
            systems.run("modprobe", module)


def main():
    what = plan.Plan.from_dict(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    modules(what.systems)
    silence_udev()
    with open(sys.argv[2], "w", encoding="utf-8") as results:
        bench = Bench(what, results)
        bench.record({"kernel": platform.release(), "cpus": os.cpu_count(),
                      "disks": {disk: systems.sectors(disk) * 512 for disk in DISKS}})
        bench.run()


if __name__ == "__main__":
    main()
