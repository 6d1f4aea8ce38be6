# SPDX-License-Identifier: GPL-2.0
"""The rate of the processor's time stamp counter, which an emulated guest has for its clock.

A guest that measures it at its boot, as kernels do, is wrong by a factor when the host takes the processor away at that
moment: its clock then runs three times too fast, and every limit of time in it is over too soon. So it is told.
"""

import ctypes
import functools
import mmap
import platform
import time

SPAN = 0.1  # seconds between two readings: one of them is at most some microseconds off

# rdtsc; shl $32, %rdx; or %rdx, %rax; ret
READ_COUNTER = bytes.fromhex("0f31 48c1e220 4809d0 c3")


def _reader():
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(READ_COUNTER)
    function = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    function.page = page  # lives as long
    return function


def _reading(counter):
    """(counter, nanoseconds) of one moment: of several readings the one that nothing came between."""
    found = []
    for _ in range(20):
        before = time.monotonic_ns()
        value = counter()
        after = time.monotonic_ns()
        found.append((after - before, value, (before + after) // 2))
    _, value, at = min(found)
    return value, at


@functools.cache
def kilohertz():
    """None on a processor that has no such counter."""
    if platform.machine() != "x86_64":
        return None
    counter = _reader()
    first, begun = _reading(counter)
    time.sleep(SPAN)
    second, ended = _reading(counter)
    return round((second - first) * 1_000_000 / (ended - begun))
