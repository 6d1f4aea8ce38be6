# SPDX-License-Identifier: GPL-2.0
"""What both kinds of measurement begin and end with: the programs, the guests, and how a failure is told."""

import contextlib
import pathlib
import signal
import subprocess
import sys

from vm.lib.common import HarnessError, install, run, step

ROOT = pathlib.Path(__file__).resolve().parents[3]
AGAIN = "fix what is said above, and run the same command again"


@contextlib.contextmanager
def reported():
    """A failure in here ends the program: its last three lines are the step, the reason and the remedy."""
    try:
        yield
    except HarnessError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def build(preset, groups, programs):
    """The programs that are measured, and the Debian packages that this takes."""
    if not install(*groups):
        sys.exit(1)  # its last lines say why, and what to do
    with step("building what is measured", "fix what the compiler says above, and run the same command again"):
        run([ROOT / "tools" / "build-tree", preset, "--", "--target", *programs])


def measured_by(argv, **kwargs):
    """tests/vm/run with a measurement. Should it fail, the reason and the remedy are those that it ended with."""
    process = subprocess.Popen([str(word) for word in argv], stderr=subprocess.PIPE, text=True, errors="replace", **kwargs)
    told = {}
    with _handed_on(process):
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            word, _, rest = line.rstrip("\n").partition(": ")
            if word in ("reason", "remedy"):
                told[word] = rest
        status = process.wait()
    if status != 0:
        raise HarnessError(told.get("reason", f"the guest did not measure all that it should (status {status})"),
                           step="measuring in guests", remedy=told.get("remedy", AGAIN))


@contextlib.contextmanager
def _handed_on(process):
    """A session of its own gets no signals from our terminal: it is handed them, and its end is waited for."""
    before = {number: signal.signal(number, lambda number, _frame: process.send_signal(number))
              for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
