# SPDX-License-Identifier: GPL-2.0
"""The guests beside the first one: host2 … hostN, on one private network with it.

Each runs an ssh server until the first guest's command has ended. host1's root reaches root on the others by name. One whose
power was cut (vm-power-cut there) is started again with its disks as they were, as a server is.
"""

import pathlib
import socket
import threading

from . import session
from .common import HarnessError, last_words, run, say
from .guest import Guest

AGAIN = "see its kernel log's end above; end other work on this machine (uptime says how much), and run the same command again"
ADDRESS = "10.99.0.{}"  # of hostN; nothing outside the guests knows it


def name_of(number):
    return f"host{number}"


def free_port():
    """For the multicast group on the loopback that is the guests' network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_keys(folder):
    """One key pair for the user, one for all servers: these guests have no secrets from each other."""
    folder.mkdir()
    for name in ("user", "server"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name])


def write_network(share, number, count, keys):
    """What guest/network makes of it."""
    folder = share / "network"
    folder.mkdir()
    (folder / "address").write_text(ADDRESS.format(number) + "\n")
    (folder / "hosts").write_text("".join(f"{ADDRESS.format(n)} {name_of(n)}\n" for n in range(1, count + 1)))
    for path in keys.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


class Peer:
    """One of the other guests, in a thread of its own: QEMU ends with the thread that started it."""

    def __init__(self, name, settings, log_path, timeout):
        self.name, self.settings, self.log_path, self.timeout = name, settings, pathlib.Path(log_path), timeout
        self.ready = threading.Event()
        self.stopping = False
        self.outcome = None
        self.error = None
        self.ended = False
        self.told = False  # somebody raised that
        self.guest = None
        self.lock = threading.Lock()  # of guest and stopping
        self.thread = threading.Thread(target=self._live, daemon=True)
        self.thread.start()

    def _live(self):
        try:
            with open(self.log_path, "wb") as log:
                while self._boot(log):
                    pass
        except Exception as error:  # whatever it was, the first guest must not wait for this one for ever
            self.error = error
        self.ended = True  # before whoever waits looks; the thread itself may live on for a moment
        self.ready.set()

    def _boot(self, log):
        """One life. True if there is to be another."""
        with self.lock:
            if self.stopping:
                return False
            self.guest = Guest(self.settings)
        try:
            one = session.Session(self.guest, log, self.timeout, on_started=self.ready.set, out=2)
            self.outcome = one.run()
        finally:
            self.guest.close()
        with self.lock:
            return self.outcome.power_cut and not self.stopping

    def stop(self):
        with self.lock:
            self.stopping = True
            if self.guest:
                self.guest.kill()
        self.thread.join()

    def failure(self):
        """What went wrong with it: an error of its own, or an end that nobody asked for."""
        step = f"running the guest {self.name}"
        if isinstance(self.error, HarnessError):
            self.error.step = self.error.step or step
            return self.error
        log = "\n".join(self.log_path.read_text("latin-1").splitlines()[-60:])
        reason = f"{self.name}: {self.error}" if self.error else f"{self.name} ended by itself"
        if self.outcome and self.outcome.timed_out:
            reason = f"{self.name}: {self.outcome.timed_out} took longer than {self.outcome.allowed:.0f} s"
        elif self.outcome and self.outcome.complaints:
            reason = f"{self.name}: {last_words(self.outcome.complaints)}"
        return HarnessError(reason, step=step, detail=f"the end of the kernel log of {self.name}:\n{log}", remedy=AGAIN)

    def check(self):
        """Raises what went wrong with it, if it was not stopped."""
        if self.error or (not self.stopping and self.ended):
            self.told = True
            raise self.failure()


class Peers:
    def __init__(self):
        self.all = []

    def add(self, *arguments):
        self.all.append(Peer(*arguments))

    def wait_until_booted(self):
        for peer in self.all:
            peer.ready.wait()
            peer.check()

    def stop(self):
        for peer in self.all:
            try:
                if not peer.told:
                    peer.check()
            except HarnessError as error:
                say(error)
            peer.stop()
