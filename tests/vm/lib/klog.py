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
    r"sleeping function called from invalid context", r"unregister_netdevice: waiting", r"\[\d+\]: segfault at ",
    r"traps: .+\[\d+\] ",
    r"still has .* (use|refcnt)", r"slab .*: [Oo]bjects remaining", r"Objects remaining in",
)))

# Lines that only announce that a detector is at work.
_ANNOUNCED = re.compile(r"(kasan|kfence|kmemleak): (KernelAddressSanitizer )?initialized|KFENCE: initialized|"
                        r"ODEBUG: selftest passed", re.I)


# What the kernel shows with a stack when memory is refused, if it was refused on purpose.
_INJECTED = re.compile(r"FAULT_INJECTION: forcing a failure")
_REFUSED = re.compile(r"kmem_cache_create\w*\(.*\) failed with error -(12|22)|"
                      r"percpu: allocation failed|vmalloc error: |page allocation failure: ")
_STACK = re.compile(r"Call Trace:")
EXCUSED_LINES = 8  # from there to the stack: whose, on what machine

# Linux from 6.18 on allocates a table for each cluster of swap while it frees memory: without the reserves, as is right, since
# what it wants to write goes elsewhere or later then; but it does not keep silent if there is none. So it is with swap on a bare
# disk, too, in a guest without our module.
_NO_PAGE = re.compile(r"page allocation failure: ")
_SWAP_TABLE = re.compile(r"\] +swap_cluster_alloc_table\+")  # not a "? …", which is no frame of the stack
_STACK_ENDS = re.compile(r"</TASK>|</IRQ>")


class _Scan:
    """Looks at the lines of one log, in their order."""

    def __init__(self):
        self._injected = False
        self._excused = self._refused = 0
        self._undecided = None

    def look(self, number, line):
        """What is bad as of this line: (number, line) each. A stack may say what it is about only further down."""
        if self._undecided:
            if _SWAP_TABLE.search(line):
                self._undecided = None
            elif _STACK_ENDS.search(line):
                yield from self.end()
        self._injected = self._injected or bool(_INJECTED.search(line))
        self._excused = EXCUSED_LINES if self._injected and _REFUSED.search(line) else self._excused - 1
        self._refused = EXCUSED_LINES if _NO_PAGE.search(line) else self._refused - 1
        if _STACK.search(line) and self._excused > 0:
            self._excused = 0
        elif _STACK.search(line) and self._refused > 0:
            self._refused = 0
            yield from self.end()
            self._undecided = number, line
        elif _BAD.search(line) and not _ANNOUNCED.search(line):
            yield number, line

    def end(self):
        """What was still to be decided, at the end of the stack or of the log."""
        if self._undecided:
            yield self._undecided
        self._undecided = None


# A program that died of what it did: "NAME[PID]: segfault at …", "traps: NAME[PID] general protection fault …".
_PLACE = r"(?: in (?P<file>.+?)\[(?:[0-9a-f]+,)?(?P<base>[0-9a-f]+)\+(?P<size>[0-9a-f]+)\])?"
_FAULTS = (
    re.compile(r"(?:^|\] )(?P<name>[^\]]+)\[(?P<process>\d+)\]: segfault at (?P<address>[0-9a-f]+) ip (?P<ip>[0-9a-f]+) "
               r"sp [0-9a-f]+ error (?P<error>[0-9a-f]+)" + _PLACE),
    re.compile(r"traps: (?P<name>.+)\[(?P<process>\d+)\] (?P<what>.+?) ip:(?P<ip>[0-9a-f]+) sp:[0-9a-f]+ error:[0-9a-f]+"
               + _PLACE),
)


def _access(found):
    """What a segmentation fault's error code says: bit 0 the page was there, 1 a write, 4 an instruction was fetched."""
    error = int(found["error"], 16)
    kind = "execution" if error & 16 else "write" if error & 2 else "read"
    return f"segmentation fault, {kind} at {found['address']}, where " + ("that is not allowed" if error & 1 else "nothing is")


def _place(found):
    """Where the instruction was: the file and how far into its mapped code, if it was in there."""
    ip, base, size = (int(found[key] or "0", 16) for key in ("ip", "base", "size"))
    inside = base <= ip < base + size
    return f"{ip - base:#x} bytes into the code of {found['file']}" if inside else f"at {ip:#x}, in no file's code"


def faults(text):
    """A sentence for each program that the kernel ended for what it did, with the place."""
    told = []
    for line in text.splitlines():
        found = next(filter(None, (pattern.search(line) for pattern in _FAULTS)), None)
        if found:
            what = found.groupdict().get("what") or _access(found)
            told.append(f"{found['name'].strip()} (process {found['process']}) died: {what}; "
                        f"the instruction was {_place(found)}")
    return told


def findings(text):
    """The lines (number, text) at which something bad begins."""
    scan, found = _Scan(), []
    for number, line in enumerate(text.splitlines()):
        found += scan.look(number, line)
    return sorted([*found, *scan.end()])


class Watch:
    """Reads a log as it comes, and knows from which moment on there was something bad in it."""

    def __init__(self):
        self.found = False
        self._rest = ""
        self._judge = _Scan()

    def read(self, data):
        # A line that has not ended is looked at when its end is there.
        *lines, self._rest = (self._rest + data.decode("latin-1")).split("\n")
        for line in lines:
            self.found = bool(list(self._judge.look(0, line))) or self.found


def excerpt(text, found, before=5, after=60):
    """What a person needs to see of a log with findings: the first of them with what surrounds it, and the others' count."""
    lines = text.splitlines()
    first = found[0][0]
    shown = lines[max(0, first - before):first + after]
    further = [line for number, line in found if number >= first + after]
    if further:
        shown.append(f"… and {len(further)} more such lines, the first of them: {further[0]}")
    return "\n".join(shown)
