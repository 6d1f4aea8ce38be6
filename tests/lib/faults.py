# SPDX-License-Identifier: GPL-2.0
"""Faults in the kernel target's own allocations, on a debug kernel (tests/vm/kernel): given by chance, or one after the other.

By chance: failslab, fail_page_alloc and fail_make_request, each limited to what is called through the module's text. One after
the other: the kernel fails the Nth allocation of a task, whatever it is for (/proc/…/fail-nth).
"""

import os
import pathlib
import subprocess
import time

DEBUGFS = pathlib.Path("/sys/kernel/debug")
KMEMLEAK = DEBUGFS / "kmemleak"
MODULE = pathlib.Path("/sys/module/dm_ddsnap")
OLD_ENOUGH = 6  # seconds: kmemleak does not suspect what is younger than five
DEPTH = 32  # of stack that is looked through for the module's text, the most that there is


def put(path, value):
    path.write_text(f"{value}\n", encoding="ascii")


def text_of_module():
    start = int((MODULE / "sections" / ".text").read_text(encoding="ascii"), 16)
    # Its end is not told; no section of the module's core is beyond its whole size.
    size = int((MODULE / "coresize").read_text(encoding="ascii"))
    return start, start + size


def prepare(kind, always=True):
    """Sets what is the same for all uses: said in a line of the log, and also where the caller may wait for memory."""
    folder = DEBUGFS / kind
    put(folder / "verbose", 1)
    put(folder / "task-filter", "N")
    for name, value in (("ignore-gfp-wait", "N"), ("ignore-gfp-highmem", "Y"), ("min-order", 0)):
        if (folder / name).exists():
            put(folder / name, value)
    if always:
        put(folder / "times", -1)
        put(folder / "interval", 1)
    return folder


def begin(percents):
    """{"failslab": 5, …}: so many of a hundred calls that come through the module fail."""
    start, end = text_of_module()
    for kind, percent in percents.items():
        folder = prepare(kind)
        put(folder / "stacktrace-depth", DEPTH)
        put(folder / "require-start", start)
        put(folder / "require-end", end)
        put(folder / "probability", percent)
    if "fail_make_request" in percents:
        for disk in os.environ["DISKS"].split():
            put(pathlib.Path("/sys/block") / os.path.basename(disk) / "make-it-fail", 1)


def end(percents):
    for kind in percents:
        put(DEBUGFS / kind / "probability", 0)


def injected():
    return subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True, check=True).stdout.count("FAULT_INJECTION: forcing")


def forget_leaks():
    """What kmemleak suspects of the boot is not ours."""
    if KMEMLEAK.exists():
        put(KMEMLEAK, "scan=off")
        put(KMEMLEAK, "clear")


def leaks():
    """What kmemleak suspects now, once all is old enough: text, empty if there is nothing."""
    time.sleep(OLD_ENOUGH)  # it goes by age and tells nobody of it
    for _ in range(2):  # a pointer that moved while it looked is found the second time
        put(KMEMLEAK, "scan")
    return KMEMLEAK.read_text(encoding="ascii", errors="replace")


def slabs():
    """Names of the module's slab caches that are there."""
    return [line.split()[0] for line in pathlib.Path("/proc/slabinfo").read_text(encoding="ascii").splitlines()
            if line.startswith("dm_ddsnap")]
