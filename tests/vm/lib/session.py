# SPDX-License-Identifier: GPL-2.0
"""Follows one guest from its start to its end: passes on what the command prints, keeps the kernel log, cuts the power,
gives up in time. What it returns says what happened; judging it is the caller's."""

import dataclasses
import os
import random
import selectors
import time

from . import klog
from .common import HarnessError

BOOT_LIMIT = 600  # from QEMU's start to the command's: 5 s on an idle machine, 100 s seen on one with a load of 14
POWER_OFF_LIMIT = 180  # from the command's end to QEMU's; longer than the guest takes to call a task hung
SHUTDOWN_LIMIT = 300  # from the beginning of a shutdown in order (vm-shutdown) to QEMU's end
TRACE_LIMIT = 10  # for the traces that are asked for when time is up
TRACE_PAUSE = 1.0  # a serial line quiet for so long has told it all
REPORT_LIMIT = 20  # ... and for the rest of a complaint of the kernel; see there


@dataclasses.dataclass
class Outcome:
    status: int | None = None  # the command's, if it ended
    power_cut: bool = False
    shut_down: bool = False  # in order, as asked for
    timed_out: str | None = None  # what took too long
    allowed: float = 0.0  # the seconds that it had
    booted_after: float | None = None
    command_seconds: float | None = None
    complained: bool = False  # the kernel did, and so was ended
    asked_at: int | None = None  # where in the kernel log the traces begin that were asked for at a time-out
    complaints: str = ""  # what QEMU itself said


class Session:
    def __init__(self, guest, kernel_log, timeout, power_cut=None, on_started=None, out=1):
        self.guest = guest
        self.log = kernel_log  # a file, open for writing bytes
        self.timeout = timeout
        self.power_cut = power_cut  # (shortest, longest) seconds after the mark
        self.on_started = on_started  # called when the command has been started
        self.out = out  # file descriptor for what the command prints to its stdout
        self.outcome = Outcome()
        self.selector = selectors.DefaultSelector()
        self.control = b""
        self.cut_at = None
        self.started = 0.0
        self.deadline = (0.0, "")
        self.allowed = 0.0
        self.last_log = 0.0
        self.watch = klog.Watch()
        self.complained_at = None
        # From QEMU's start or the command's end until what follows; longer for a kernel that makes a guest slow.
        self.slowness = guest.settings.kernel.slowness

    def run(self):
        self.started = time.monotonic()
        self.guest.start()
        self._limit(BOOT_LIMIT * self.slowness, "the guest's boot")
        handlers = {"out": self._to_fd(self.out), "err": self._to_fd(2), "serial": self._to_log, "control": self._on_control,
                    "qmp": lambda data: None, "complaints": self._on_complaint}
        for port, end in self.guest.sockets.items():
            os.set_blocking(end.fileno(), False)
            self.selector.register(end, selectors.EVENT_READ, handlers[port])
        try:
            self._loop()
        finally:
            self.guest.kill()
        self._read_the_rest()
        return self.outcome

    def _limit(self, seconds, what):
        """What is to be over in so many seconds from now."""
        self.allowed = seconds
        self.deadline = (time.monotonic() + seconds, what)

    def _loop(self):
        traces = None
        while not self._gone():
            now = time.monotonic()
            if self.cut_at is not None and now >= self.cut_at:
                self.guest.kill()
                self.outcome.power_cut = True
                return
            if self._has_complained(now):
                self.outcome.complained = True
                return
            if traces is not None:
                if now >= self.deadline[0] or now - self.last_log >= TRACE_PAUSE:
                    if now >= self.deadline[0] or next(traces, "end") == "end":
                        return
                    self.last_log = now
            elif now >= self.deadline[0]:
                self.outcome.timed_out, self.outcome.allowed = self.deadline[1], self.allowed
                self.outcome.asked_at = self.log.tell()
                traces = self.guest.show_blocked_tasks()
                self.deadline = (now + TRACE_LIMIT, "")
                self.last_log = now
                next(traces)
            limit = self.deadline[0] if traces is None else min(self.deadline[0], self.last_log + TRACE_PAUSE)
            if self.cut_at is not None:
                limit = min(limit, self.cut_at)
            if self.complained_at is not None:
                limit = min(limit, self.last_log + TRACE_PAUSE)
            self._read(max(0.0, limit - time.monotonic()))

    def _has_complained(self, now):
        """Whether the kernel did, and has told the rest: what a guest does after that says nothing, so it is ended.

        Not while the power is to be cut anyway: the cut's moment is the test's. The log is checked in any case.
        """
        if self.complained_at is None or self.cut_at is not None:
            return False
        return now - self.last_log >= TRACE_PAUSE or now - self.complained_at >= REPORT_LIMIT

    def _gone(self):
        return not self.selector.get_map()

    def _read(self, wait):
        for key, _ in self.selector.select(wait):
            try:
                data = os.read(key.fd, 1 << 16)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                data = b""
            if data:
                key.data(data)
            else:
                self.selector.unregister(key.fileobj)

    def _read_the_rest(self):
        """QEMU is gone, and no other process has its ends: what is left to read ends with an end of file."""
        while not self._gone():
            self._read(None)
        self.log.flush()

    # --- what arrives ---

    @staticmethod
    def _to_fd(fd):
        def write(data):
            while data:
                data = data[os.write(fd, data):]
        return write

    def _to_log(self, data):
        self.last_log = time.monotonic()
        self.log.write(data)
        if self.outcome.asked_at is None:
            self.watch.read(data)
            if self.watch.found and self.complained_at is None:
                self.complained_at = self.last_log

    def _on_complaint(self, data):
        self.outcome.complaints += data.decode(errors="replace")

    def _on_control(self, data):
        *lines, self.control = (self.control + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            self._on_line(word, rest)

    def _on_line(self, word, rest):
        now = time.monotonic()
        if word == "started":
            self.outcome.booted_after = now - self.started
            self._limit(self.timeout, "the command")
            if self.on_started:
                self.on_started()
        elif word == "exit":
            self.outcome.status = int(rest)
            self.outcome.command_seconds = now - self.started - (self.outcome.booted_after or 0)
            self._limit(POWER_OFF_LIMIT * self.slowness, "the guest's power-off")
            self.cut_at = None
        elif word == "mark":
            if self.power_cut and self.cut_at is None:
                self.cut_at = now + random.uniform(*self.power_cut)
        elif word == "shutdown":
            self.outcome.shut_down = True
            self._limit(SHUTDOWN_LIMIT * self.slowness, "the guest's shutdown")
        elif word == "power-cut":
            self.cut_at = now + float(rest)
        else:
            raise HarnessError(f"the guest sent a line that means nothing: {word} {rest}")
