# SPDX-License-Identifier: GPL-2.0
"""What is measured: the loads, the systems, how often. Made on the host, read by the guest as JSON.

The origin disk has one region for each load, so that one set of snapshots serves all loads of a round: what one load
has touched, the next does not meet.
"""

import dataclasses

MIB = 1 << 20
CHUNK = 16 << 10  # of dm-snapshot and ours alike
SMALL = 4096


@dataclasses.dataclass(frozen=True)
class Load:
    """A list of writes, exact to the byte; see load.cpp. `touches`: how often it runs on one set of snapshots."""
    name: str
    title: str
    first: int
    length: int
    block: int
    step: int
    depth: int
    shuffle: bool
    touches: int

    @property
    def operations(self):
        return self.length // self.step

    @property
    def chunks(self):
        """Chunks that it touches: every one of its region, since no slot is larger than a chunk unless it is full."""
        return self.length // CHUNK


def loads(small, large):
    """The three loads: `small` bytes for each of the random ones, `large` for the sequential one."""
    return [
        Load("random", "random 4 KiB", 0, small, SMALL, SMALL, 32, True, 2),
        Load("chunk", "one 4 KiB write per chunk", small, small, SMALL, CHUNK, 32, True, 1),
        Load("sequential", "sequential 1 MiB", 2 * small, large, MIB, MIB, 32, False, 2),
    ]


# What is compared; NAME-N holds N snapshots. dm-snapshot with 64 is left out: it copies each chunk 64 times.
SYSTEMS = ["raw", "dm-linear", "dm-snapshot-1", "dm-snapshot-8",
           "ddsnap-0", "ddsnap-1", "ddsnap-8", "ddsnap-64"]


@dataclasses.dataclass
class Plan:
    mode: str  # throttled, unthrottled or quick
    systems: list
    loads: list
    repeats: int
    seed: int = 20061
    load_program: str = ""

    @property
    def throttled(self):
        return self.mode == "throttled"

    def as_dict(self):
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(data):
        return Plan(**{**data, "loads": [Load(**load) for load in data["loads"]]})


def split(system):
    """("ddsnap", 8) of "ddsnap-8"; ("raw", None) of "raw"."""
    kind, dash, number = system.rpartition("-")
    return (kind, int(number)) if dash and number.isdigit() else (system, None)
