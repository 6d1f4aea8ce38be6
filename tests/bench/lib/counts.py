# SPDX-License-Identifier: GPL-2.0
"""What the kernel counted for a disk: /sys/block/DISK/stat (Documentation/block/stat.rst)."""

import pathlib
import time

FIELDS = ("reads", "read_merges", "read_sectors", "read_ms", "writes", "write_merges", "write_sectors", "write_ms",
          "in_flight", "busy_ms", "queue_ms", "discards", "discard_merges", "discard_sectors", "discard_ms",
          "flushes", "flush_ms")
SECTOR = 512


def read(disk):
    text = pathlib.Path(f"/sys/block/{disk}/stat").read_text(encoding="ascii")
    return dict(zip(FIELDS, map(int, text.split())))


def read_all(disks):
    return {disk: read(disk) for disk in disks}


def settled(disks, quiet=0.3, limit=20.0):
    """Counts of the disks once nothing has moved for `quiet` seconds: late work of the last load belongs to it."""
    end = time.monotonic() + limit
    before = read_all(disks)
    while time.monotonic() < end:
        time.sleep(quiet)
        now = read_all(disks)
        if now == before and not any(disk["in_flight"] for disk in now.values()):
            return now
        before = now
    raise RuntimeError(f"the disks {', '.join(disks)} did not come to rest within {limit} s: {before}")


def difference(before, after):
    """What happened between two readings of one disk, in requests and bytes."""
    delta = {field: after[field] - before[field] for field in FIELDS}
    return {
        "reads": delta["reads"],
        "read_merges": delta["read_merges"],
        "read_bytes": delta["read_sectors"] * SECTOR,
        "writes": delta["writes"],
        "write_merges": delta["write_merges"],
        "write_bytes": delta["write_sectors"] * SECTOR,
        "flushes": delta["flushes"],
        "discards": delta["discards"],
    }


def times(before, after):
    """How the disk spent its time, in ms: queue_ms / busy_ms is the mean number of requests in flight."""
    return {field: after[field] - before[field] for field in FIELDS if field.endswith("_ms")}
