# SPDX-License-Identifier: GPL-2.0
"""What the parts of tests/vm/run share: where things are, how to complain, how to run a program, how to lock."""

import contextlib
import fcntl
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
VM = ROOT / "tests" / "vm"
BUILD = ROOT / "build"


class HarnessError(Exception):
    """The harness (not the command, not the guest's kernel) could not do its part. Its last three lines tell: the step, the
    reason in one line, and what to do about it; `detail` (what a program printed) comes before them."""

    def __init__(self, reason, step=None, remedy=None, detail=""):
        super().__init__(reason)
        self.reason, self.step, self.remedy, self.detail = str(reason), step, remedy, detail

    def __str__(self):
        head, _, last = self.reason.rstrip().rpartition("\n")
        lines = [part.rstrip() for part in (self.detail, head) if part.strip()]
        lines.append(f"FAILED at the step: {self.step or 'unknown'}")
        lines.append(f"reason: {last}")
        lines.append(f"remedy: {self.remedy or 'what is above says more; fix that, and run the same command again'}")
        return "\n".join(lines)


@contextlib.contextmanager
def step(name, remedy=None):
    """What is done in here, in a word: an error that names no step of its own is one of this."""
    try:
        yield
    except HarnessError as error:
        error.step = error.step or name
        error.remedy = error.remedy or remedy
        raise
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise HarnessError(what, step=name, remedy=_remedy(str(error)) or remedy) from error


def say(message):
    print(f"vm: {message}", file=sys.stderr, flush=True)


def cache_dir():
    """Downloaded kernels: shared by all checkouts, may be deleted at any time while nothing runs."""
    explicit = os.environ.get("ZUMASTOR_VM_CACHE")
    if explicit:
        return pathlib.Path(explicit).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base).resolve() / "zumastor" / "vm"


# What programs say of troubles that have nothing to do with what they were told to do.
COMMON = ((re.compile("No space left on device", re.I), "free some space (see df -h), and run the same command again"),
          (re.compile("Read-only file system", re.I), "have this on a file system that can be written to"),
          (re.compile("Cannot allocate memory|Killed", re.I), "free some memory, and run the same command again"))


# What apt and make end with when the reason has been told already.
SUMMARY = re.compile(r"Some index files failed to download|Unable to fetch some archives|^make(\[\d+\])?: \*\*\*")


def _remedy(text):
    return next((remedy for pattern, remedy in COMMON if pattern.search(text)), None)


def last_words(output):
    """The one line of a program's output that says why it failed, most likely."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"E:|.*\berror\b", line, re.I) and not SUMMARY.search(line)]
    return (errors or lines or ["it said nothing"])[-1]


def run(argv, remedy=None, **kwargs):
    """Runs a program to its end and returns its output; a failure carries all that it printed."""
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False, **kwargs)
    except FileNotFoundError as error:
        raise HarnessError(f"there is no program {argv[0]}", remedy="tools/install-deps all") from error
    if done.returncode != 0:
        raise HarnessError(f"{argv[0]} failed with status {done.returncode}: {last_words(done.stdout)}",
                           remedy=_remedy(done.stdout) or remedy, detail=f"$ {' '.join(argv)}\n{done.stdout}")
    return done.stdout


def install(*groups):
    """The Debian packages of these groups. False if that failed: the last lines that were printed say why, and what to do."""
    return subprocess.run([ROOT / "tools" / "install-deps", *groups], stdin=subprocess.DEVNULL, stdout=sys.stderr,
                          check=False).returncode == 0


@contextlib.contextmanager
def locked(path):
    """Holds an exclusive lock on a file beside what it protects; waits for another run that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
