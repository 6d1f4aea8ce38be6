# SPDX-License-Identifier: GPL-2.0
"""What the parts of tests/vm/run share: where things are, how to complain, how to run a program, how to lock."""

import contextlib
import fcntl
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
VM = ROOT / "tests" / "vm"
BUILD = ROOT / "build"


class HarnessError(Exception):
    """The harness (not the command, not the guest's kernel) could not do its part."""


def say(message):
    print(f"vm: {message}", file=sys.stderr, flush=True)


def cache_dir():
    """Downloaded kernels: shared by all checkouts, may be deleted at any time while nothing runs."""
    explicit = os.environ.get("ZUMASTOR_VM_CACHE")
    if explicit:
        return pathlib.Path(explicit).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base).resolve() / "zumastor" / "vm"


def run(argv, **kwargs):
    """Runs a program to its end and returns its output; a failure carries all that it printed."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **kwargs)
    if done.returncode != 0:
        raise HarnessError(f"{' '.join(map(str, argv))}\nfailed with status {done.returncode}:\n{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def locked(path):
    """Holds an exclusive lock on a file beside what it protects; waits for another run that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
