# SPDX-License-Identifier: GPL-2.0
"""Finds what must never be in a guest's kernel log.

Under emulation on a busy machine a processor of the guest can stand still for seconds. guest.py's kernel command line
therefore sets the limits of the stall detectors (soft lockup, RCU, workqueues) to a minute or more; what they still
find is a failure like any other. Trouble with clocks is the emulator's, and is not looked for.
"""

import re

_BAD = re.compile("|".join((
    r"\bBUG:", r"kernel BUG at", r"\bWARNING:", r"\bOops\b", r"general protection fault", r"Kernel panic",
    r"Call Trace:", r"INFO: task .* blocked for more than", r"detected stalls? on", r"self-detected stall",
    r"soft lockup", r"hard LOCKUP", r"INFO: possible \w+", r"possible (circular|recursive|irq lock|deadlock)",
    r"inconsistent lock state", r"INFO: trying to register non-static key", r"DEBUG_LOCKS_WARN_ON",
    # Not a report: lockdep, or what looks after objects, switches itself off and would find nothing from there on.
    r"turning off the locking correctness validator", r"[Ll]ockdep is off", r"ODEBUG: [Oo]ut of memory",
    r"suspicious RCU usage", r"\bKASAN\b", r"\bUBSAN\b", r"\bKCSAN\b", r"\bKFENCE\b", r"\bODEBUG:",
    r"kmemleak: .*new suspected", r"kmemleak: Cannot allocate",
    r"refcount_t: ", r"list_(add|del) corruption", r"double free", r"Bad page (state|map)", r"scheduling while atomic",
    r"sleeping function called from invalid context", r"segfault at .* (ddsnap|zumastor)", r"unregister_netdevice: waiting",
    r"still has .* (use|refcnt)", r"slab .*: [Oo]bjects remaining", r"Objects remaining in",
)))

# Lines that only announce that a detector is at work.
_ANNOUNCED = re.compile(r"(kasan|kfence|kmemleak): (KernelAddressSanitizer )?initialized|KFENCE: initialized|"
                        r"ODEBUG: selftest passed", re.I)


def bad(line):
    return bool(_BAD.search(line)) and not _ANNOUNCED.search(line)


def findings(text):
    """The lines (number, text) at which something bad begins."""
    return [(number, line) for number, line in enumerate(text.splitlines()) if bad(line)]


class Watch:
    """Reads a log as it comes, and knows from which moment on there was something bad in it."""

    def __init__(self):
        self.found = False
        self._rest = ""

    def read(self, data):
        # A line that has not ended is looked at when its end is there.
        *lines, self._rest = (self._rest + data.decode("latin-1")).split("\n")
        self.found = self.found or any(map(bad, lines))


def excerpt(text, found, before=5, after=60):
    """What a person needs to see of a log with findings: the first of them with what surrounds it, and the others' count."""
    lines = text.splitlines()
    first = found[0][0]
    shown = lines[max(0, first - before):first + after]
    further = [line for number, line in found if number >= first + after]
    if further:
        shown.append(f"… and {len(further)} more such lines, the first of them: {further[0]}")
    return "\n".join(shown)
