# SPDX-License-Identifier: GPL-2.0
"""Runs programs for tests/run: output into a log, a limit of time, and none left behind when the runner is stopped."""

import os
import pathlib
import select
import signal
import subprocess
import threading
import time

TIMED_OUT = 124
GRACE = 30  # seconds from SIGTERM to SIGKILL: tests/vm/run ends its QEMU and removes its files in that time


class Account:
    """Processor seconds, of user and system together, of the programs that were run and of all that these waited for."""

    def __init__(self):
        self.seconds = 0.0

    def add(self, usage):
        with _lock:
            self.seconds += usage.ru_utime + usage.ru_stime


_local = threading.local()


def charge(account):
    """What this thread runs from here on is charged to `account`."""
    _local.account = account


def charged():
    """The account of this thread, if it has one."""
    return getattr(_local, "account", None)


_lock = threading.Lock()
_running = set()
_stopping = False


def execute(argv, log, timeout, cwd=None, append=True):
    """Runs argv in a process group of its own, its output (both streams) going to the file `log`; returns its status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab" if append else "wb") as out:
        out.write(f"$ {' '.join(map(str, argv))}\n".encode())
        out.flush()
        with _lock:
            if _stopping:
                return 128 + signal.SIGTERM
            process = subprocess.Popen([str(a) for a in argv], cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            _running.add(process)
        try:
            return _code(_wait(process, timeout))
        except subprocess.TimeoutExpired:
            _end([process])
            out.write(f"\n[ended: it had run for {timeout:.0f} s, which is its limit]\n".encode())
            return TIMED_OUT
        finally:
            with _lock:
                _running.discard(process)


def stop_all():
    """Ends all that runs; for when the runner itself is told to stop."""
    global _stopping
    with _lock:
        _stopping = True
        processes = list(_running)
    _end(processes)


def _wait(process, timeout):
    """Popen.wait, but what the process used is charged: only wait4 tells that of one process among several."""
    handle = os.pidfd_open(process.pid)
    try:
        if not select.select([handle], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(process.args, timeout)
    finally:
        os.close(handle)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except ChildProcessError:  # stop_all was quicker, and knows the status
        return process.wait()
    process.returncode = os.waitstatus_to_exitcode(status)
    if charged():
        charged().add(usage)
    return process.returncode


def _code(status):
    return 128 - status if status < 0 else status


def _signal(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it has ended by itself meanwhile


def _end(processes):
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        _signal(process, signal.SIGKILL)  # also what it may have left behind in its group
        process.wait()


def tail(log: pathlib.Path, lines):
    text = log.read_text(errors="replace").splitlines() if log.exists() else ["(no log)"]
    return "\n".join(text[-lines:])
