# SPDX-License-Identifier: GPL-2.0
"""The systems compared, each set up on the same two disks: one holds the origin, the other the store.

A system is a context manager: entered, `device` can be written to, and its snapshots (all taken back to back, of an
origin that nothing has written to since) exist; left, nothing of it remains but what is on the disks.
"""

import json
import mmap
import os
import pathlib
import socket
import subprocess
import time

from . import plan

ORIGIN, STORE = "vda", "vdb"


def run(*argv):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def sectors(disk):
    return int(pathlib.Path(f"/sys/block/{disk}/size").read_text(encoding="ascii"))


def dm_create(name, table):
    run("dmsetup", "create", name, "--table", table)
    return f"/dev/mapper/{name}"


def dm_remove(name):
    run("dmsetup", "remove", "--retry", name)


def write_zeros(device, length=plan.CHUNK):
    zeros = mmap.mmap(-1, length)  # memory that is aligned as O_DIRECT wants it
    descriptor = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        os.write(descriptor, zeros)
    finally:
        os.close(descriptor)


class System:
    """Base, and the raw disk itself."""

    def __init__(self, snapshots):
        self.snapshots = snapshots
        self.device = f"/dev/{ORIGIN}"

    def __enter__(self):
        try:
            self.set_up()
        except BaseException:
            self.tear_down()
            raise
        return self

    def __exit__(self, *exception):
        self.tear_down()

    def set_up(self):
        pass

    def tear_down(self):
        pass

    def counters(self):
        """Ever-growing numbers of the system's own."""
        return {}

    def state(self):
        """Numbers that say how things stand."""
        return {}


class Linear(System):
    NAME = "bench-linear"

    def set_up(self):
        self.device = dm_create(self.NAME, f"0 {sectors(ORIGIN)} linear /dev/{ORIGIN} 0")

    def tear_down(self):
        dm_remove(self.NAME)


class DmSnapshot(System):
    """Linux' own: one area of the second disk for each snapshot, persistent, non-overflowing."""

    def __init__(self, snapshots):
        super().__init__(snapshots)
        self.made = []

    def create(self, name, table):
        device = dm_create(name, table)
        self.made.append(name)
        return device

    def set_up(self):
        chunk = plan.CHUNK // 512
        share = sectors(STORE) // self.snapshots // chunk * chunk
        for number in range(self.snapshots):
            area = self.create(f"bench-area{number}", f"0 {share} linear /dev/{STORE} {number * share}")
            write_zeros(area)  # no header there: a new, empty area
            self.create(f"bench-snapshot{number}", f"0 {sectors(ORIGIN)} snapshot /dev/{ORIGIN} {area} P {chunk}")
        self.device = self.create("bench-origin", f"0 {sectors(ORIGIN)} snapshot-origin /dev/{ORIGIN}")

    def tear_down(self):
        for name in reversed(self.made):
            dm_remove(name)
        self.made = []

    def state(self):
        return {"status": [run("dmsetup", "status", f"bench-snapshot{n}").strip() for n in range(self.snapshots)]}


class Control:
    """A connection to ddsnapd's control socket (docs/control.md)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")

    def ask(self, op, **fields):
        self.socket.sendall((json.dumps({"op": op, **fields}) + "\n").encode())
        line = self.lines.readline()
        if not line:
            raise RuntimeError(f"ddsnapd closed the connection instead of answering '{op}'")
        answer = json.loads(line)
        if not answer.get("ok"):
            raise RuntimeError(f"ddsnapd: {op}: {answer.get('error')}")
        return answer

    def close(self):
        self.lines.close()
        self.socket.close()


class Ddsnap(System):
    """Ours: all snapshots in one store on the second disk, each with an epoch of its own."""

    NAME = "bench-ddsnap"
    DATA, CONTROL = "/run/bench.data", "/run/bench.control"
    LOG = "/results/ddsnapd.log"

    def __init__(self, snapshots):
        super().__init__(snapshots)
        self.control = None
        self.mapped = False

    def set_up(self):
        origin, store = f"/dev/{ORIGIN}", f"/dev/{STORE}"
        run("ddsnap", "initialize", "-y", "-c", f"{plan.CHUNK >> 10}k", store, origin)
        run("ddsnap", "server", "-l", self.LOG, store, origin, self.DATA, self.CONTROL)
        self.control = Control(self.CONTROL)
        self.device = dm_create(self.NAME, f"0 {sectors(ORIGIN)} ddsnap {store} {origin} {self.DATA} -1")
        self.mapped = True
        for number in range(self.snapshots):
            self.control.ask("create", snapshot=number)

    def tear_down(self):
        if self.mapped:
            dm_remove(self.NAME)
            self.mapped = False
        if self.control:
            daemon = self.control.ask("hello")["pid"]
            self.control.ask("shutdown")
            self.control.close()
            self.control = None
            wait_for_end(daemon)

    def counters(self):
        """The daemon's counters, and the kernel target's, whose names begin with kernel_."""
        daemon = self.control.ask("status")["volume"]["counters"]
        return {**daemon, **kernel_counters(run("dmsetup", "status", self.NAME))}

    def state(self):
        """After a checkpoint, so that the metadata held are those of the tree alone."""
        self.control.ask("checkpoint")
        volume = self.control.ask("status")["volume"]
        return {**{key: value for key, value in volume.items() if isinstance(value, int)},
                "status": run("dmsetup", "status", self.NAME).strip()}


# The fields of `dmsetup status` from the target's name on; docs/dm-ddsnap.rst tells what each is. (The last one, the
# reason for not being connected, stays the last.)
STATUS = ("target", "role", "session", "epoch", "chunk_sectors", "flags", "granted", "queries", "answers", "sent",
          "received", "deferred_bios", "deferred_bytes", "deferred", "sessions", "retries", "passed",
          "discards_dropped", "cache_hits")
EVER_GROWING = STATUS[STATUS.index("queries"):STATUS.index("deferred_bios")] + STATUS[STATUS.index("deferred"):]


def kernel_counters(status):
    fields = dict(zip(STATUS, status.split()[2:]))
    return {f"kernel_{name}": int(fields[name]) for name in EVER_GROWING}


def wait_for_end(pid, limit=60.0):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if not pathlib.Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    raise RuntimeError(f"ddsnapd (process {pid}) still runs {limit} s after 'shutdown'")


KINDS = {"raw": System, "dm-linear": Linear, "dm-snapshot": DmSnapshot, "ddsnap": Ddsnap}


def make(name):
    kind, snapshots = plan.split(name)
    return KINDS[kind](snapshots)
