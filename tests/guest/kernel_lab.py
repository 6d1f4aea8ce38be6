# SPDX-License-Identifier: GPL-2.0
"""What the tests of the kernel target share: devices, status, direct I/O, waiting for conditions, and the list of checks."""

import fcntl
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback

STORE, ORIGIN = "/dev/vda", "/dev/vdb"
SOCKET = "/run/ddsnap-test.sock"
CHUNK = 16384
BLKDISCARD, BLKZEROOUT = 0x1277, 0x127f  # linux/fs.h
SECTORS = 65536  # 32 MiB: 2048 chunks
# Limits of time are those of the distribution's kernel; with another a guest may be slower by this factor.
SLOWNESS = int(os.environ.get("VM_SLOWNESS", "1"))
FIELDS = ("role session epoch chunk flags held queries answers sent received deferred deferred_bytes deferred_total "
          "sessions retries passed discards_dropped cache_hits reason").split()


def run(*argv, check=True, timeout=120):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout * SLOWNESS,
                          check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}: {done.stdout}")
    return done


def until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds * SLOWNESS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * SLOWNESS} s: {what}")
        time.sleep(0.01)


def equal(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, expected {want!r}")


class Status(dict):
    __getattr__ = dict.__getitem__


class Device:
    def __init__(self, name="lab", snapshot=-1, features="", store=STORE, origin=ORIGIN, sectors=SECTORS, read_only=False):
        self.name, self.path = name, f"/dev/mapper/{name}"
        self.table = f"0 {sectors} ddsnap {store} {origin} {SOCKET} {snapshot}"
        if features:
            self.table += f" {len(features.split())} {features}"
        self.read_only = read_only

    def create(self):
        run("dmsetup", "create", self.name, *(["--readonly"] if self.read_only else []), "--table", self.table)
        return self

    def remove(self, *options):
        run("dmsetup", "remove", *options, self.name)

    def status(self):
        words = run("dmsetup", "status", "--noflush", self.name).stdout.split()[3:]
        assert len(words) == len(FIELDS), words
        return Status((f, int(w) if w.isdigit() and f != "reason" else w) for f, w in zip(FIELDS, words))

    def inflight(self):
        """I/O that has been issued (or was, before it is done again), as against deferred."""
        number = os.stat(self.path).st_rdev
        with open(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/inflight", encoding="ascii") as counts:
            return sum(map(int, counts.read().split()))

    def wait(self, session="connected", seconds=60):
        until(f"{self.name} is {session}", lambda: self.status().session == session, seconds)
        return self


def buffer(data):
    aligned = mmap.mmap(-1, max(len(data), 4096))
    aligned[:len(data)] = data
    return aligned


def write(path, offset, data, flags=0):
    fd = os.open(path, os.O_WRONLY | os.O_DIRECT | flags)
    try:
        equal(os.pwritev(fd, [memoryview(buffer(data))[:len(data)]], offset), len(data), "bytes written")
    finally:
        os.close(fd)


def read(path, offset, size):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        data = mmap.mmap(-1, size)
        equal(os.preadv(fd, [data], offset), size, "bytes read")
        return data[:]
    finally:
        os.close(fd)


def range_ioctl(path, request, offset, size):
    fd = os.open(path, os.O_WRONLY)
    try:
        fcntl.ioctl(fd, request, struct.pack("QQ", offset, size))
    finally:
        os.close(fd)


def pattern(seed, size):
    return random.Random(seed).randbytes(size)


class Background(threading.Thread):
    """Runs a function in a thread; join it with result(), which raises what it raised."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self.function, self.args, self.error, self.value = function, args, None, None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def result(self, seconds=60):
        self.join(seconds * SLOWNESS)
        if self.is_alive():
            raise AssertionError(f"{self.function.__name__} still runs after {seconds * SLOWNESS} s")
        if self.error:
            raise self.error
        return self.value

    def fails(self, errno, seconds=60):
        try:
            self.result(seconds)
        except OSError as error:
            equal(error.errno, errno, "errno")
            return
        raise AssertionError(f"{self.function.__name__} did not fail")


def disk_writes(path):
    with open(f"/sys/block/{os.path.basename(path)}/stat", encoding="ascii") as stat:
        return int(stat.read().split()[4])


class Slow:
    """A disk whose reads and writes can be delayed, by dm-delay, or held until they are let go: no test knows how fast it is."""

    def __init__(self, name, disk):
        self.name, self.path, self.disk = name, f"/dev/mapper/{name}", disk
        run("dmsetup", "create", name, "--table", self.table(0, 0))

    def table(self, read_ms, write_ms):
        size = run("blockdev", "--getsz", self.disk).stdout.strip()
        return f"0 {size} delay {self.disk} 0 {read_ms} {self.disk} 0 {write_ms}"

    def set(self, read_ms=0, write_ms=0):
        """Affects what is issued from now on."""
        run("dmsetup", "load", self.name, "--table", self.table(read_ms, write_ms))
        run("dmsetup", "resume", "--noflush", "--nolockfs", self.name)

    def hold(self):
        """What is issued from now on waits for release()."""
        run("dmsetup", "suspend", "--noflush", "--nolockfs", self.name)

    def release(self):
        run("dmsetup", "resume", "--noflush", "--nolockfs", self.name)


def start_fio(path, *options):
    """A load that goes on until stop_fio()."""
    return subprocess.Popen(["fio", "--name=load", f"--filename={path}", "--direct=1", "--ioengine=libaio", "--iodepth=16",
                             "--group_reporting", f"--size={SECTORS * 512}", "--loops=1000000", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def stop_fio(fio):
    fio.send_signal(signal.SIGINT)
    output = fio.communicate(timeout=60 * SLOWNESS)[0]
    assert "err= 0" in output and "error=" not in output, output


def module_parameter(name, value):
    with open(f"/sys/module/dm_ddsnap/parameters/{name}", "w", encoding="ascii") as parameter:
        parameter.write(str(value))


def clean():
    """After a check, whatever it left: no device, no daemon."""
    names = [line.split("\t")[0] for line in run("dmsetup", "ls").stdout.splitlines()]
    for name in names:
        if name.startswith("slow"):  # one that is held would hold what is on it, too
            run("dmsetup", "resume", "--noflush", "--nolockfs", name, check=False)
    for name in names:
        if name.startswith("lab"):
            run("dmsetup", "remove", "--force", name, check=False)
    for line in run("dmsetup", "ls").stdout.splitlines():
        name = line.split("\t")[0]
        if name.startswith("slow"):
            run("dmsetup", "remove", "--retry", name, check=False)


def main(checks, daemons):
    """Runs all checks (or those named on the command line) in one boot."""
    # udev's own reads of a new device would be among what is counted and held back here.
    run("udevadm", "control", "--exit", check=False)
    os.environ["DM_DISABLE_UDEV"] = "1"
    run("modprobe", "dm-ddsnap")
    wanted, failed = sys.argv[1:], []
    for check in checks:
        if wanted and check.__name__ not in wanted:
            continue
        begun = time.monotonic()
        try:
            check()
            verdict = "ok"
        except Exception:  # pylint: disable=broad-except
            verdict = "FAILED"
            traceback.print_exc()
            failed.append(check.__name__)
        for daemon in daemons:
            daemon.kill()
            if daemon.complaints:
                verdict = f"FAILED: the daemon complains of {daemon.complaints}"
                failed.append(check.__name__)
        daemons.clear()
        clean()
        print(f"{check.__name__}: {verdict} ({time.monotonic() - begun:.1f} s)", flush=True)
    run("rmmod", "dm-ddsnap")
    sys.stdout.flush()
    if failed:
        print("failed:", " ".join(failed), flush=True)
    os._exit(1 if failed else 0)
