# SPDX-License-Identifier: GPL-2.0
"""A volume in the guest, made with ddsnap and dmsetup: what the end-to-end tests share.

Everything here waits for conditions, never for a time: a daemon that `ddsnap server` has started accepts connections
when that command returns, a device that dmsetup has created is there.
"""

import contextlib
import hashlib
import json
import mmap
import os
import pathlib
import random
import signal
import subprocess
import time

CHUNK_DEFAULT = "16k"
# Limits of time are those of the distribution's kernel; with another a guest may be slower by this factor.
SLOWNESS = int(os.environ.get("VM_SLOWNESS", "1"))


class TestFailure(AssertionError):
    """What was expected and did not happen."""


def check(condition, message):
    if not condition:
        raise TestFailure(message)


def run(*command, input=None, ok=(0,), quiet=False):
    """Runs a command and returns its standard output; any exit status not in `ok` fails the test."""
    done = subprocess.run([str(word) for word in command], input=input, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode not in ok:
        raise TestFailure(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    if done.stderr and not quiet:
        print(done.stderr, end="", flush=True)
    return done.stdout


def say(text):
    print(f"[{time.monotonic():8.2f}] {text}", flush=True)


def wait_until(what, condition, seconds=60):
    """Polls `condition` (no event to wait for exists) until it holds or the time is up."""
    seconds *= SLOWNESS
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Volume:
    """Origin and store device, daemon, origin device /dev/mapper/NAME, snapshot devices NAME@N."""

    def __init__(self, origin, store, name="vol", meta=None):
        self.origin, self.store, self.meta, self.name = origin, store, meta, name
        self.folder = pathlib.Path("/run") / f"test-{name}"
        self.folder.mkdir(exist_ok=True)
        self.agent = self.folder / "agent"
        self.server = self.folder / "server"
        self.pidfile = self.folder / "pid"
        self.log = self.folder / "log"
        self.device = f"/dev/mapper/{name}"

    def devices(self):
        return [self.store, self.origin] + ([self.meta] if self.meta else [])

    def initialize(self, chunk=CHUNK_DEFAULT, journal=None):
        extra = ["-j", journal] if journal else []
        run("ddsnap", "initialize", "-y", "-c", chunk, *extra, *self.devices())

    def start_daemon(self):
        run("ddsnap", "server", "-l", self.log, "-p", self.pidfile, *self.devices(), self.agent, self.server)

    def pid(self):
        return int(self.pidfile.read_text())

    def kill_daemon(self):
        """kill -9, and wait until the process is gone."""
        pid = self.pid()
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        wait_for_exit(handle)

    def stop_daemon(self):
        handle = os.pidfd_open(self.pid())
        os.kill(self.pid(), signal.SIGTERM)
        wait_for_exit(handle)

    def sectors(self):
        return int(run("ddsnap", "status", self.server, "--size"))

    def attach_origin(self):
        table = f"0 {self.sectors()} ddsnap {self.store} {self.origin} {self.agent} -1"
        run("dmsetup", "create", self.name, "--table", table)

    def detach_origin(self):
        # udev may have it open for a moment after the last writer has closed it: dmsetup tries again.
        run("dmsetup", "remove", "--retry", self.name)

    def start(self):
        self.start_daemon()
        self.attach_origin()

    def snapshot_device(self, number):
        return f"/dev/mapper/{self.name}@{number}"

    def attach(self, number, writable=False):
        table = f"0 {self.sectors()} ddsnap {self.store} {self.origin} {self.agent} {number}"
        mode = [] if writable else ["--readonly"]
        run("dmsetup", "create", f"{self.name}@{number}", *mode, "--table", table)
        return self.snapshot_device(number)

    def detach(self, number):
        run("dmsetup", "remove", "--retry", f"{self.name}@{number}")

    def create(self, number):
        run("ddsnap", "create", self.server, number)

    def delete(self, number):
        run("ddsnap", "delete", self.server, number)

    def control(self, **request):
        """One request on the control socket, straight."""
        import socket
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(120 * SLOWNESS)
            link.connect(str(self.server))
            link.sendall(json.dumps(request).encode() + b"\n")
            answer = link.makefile().readline()
        answer = json.loads(answer)
        check(answer["ok"], f"{request}: {answer}")
        return answer

    def numbers(self):
        return [entry["id"] for entry in self.control(op="list")["snapshots"]]

    def check_store(self):
        """Offline: the daemon must be stopped."""
        run("ddsnap", "check", *self.devices())


def wait_for_exit(handle, seconds=60):
    import select
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    check(poller.poll(seconds * SLOWNESS * 1000), "the process did not end")
    os.close(handle)


@contextlib.contextmanager
def mounted(device, place, options=None):
    place = pathlib.Path(place)
    place.mkdir(parents=True, exist_ok=True)
    run("mount", *(["-o", options] if options else []), device, place)
    try:
        yield place
    finally:
        run("umount", place)


@contextlib.contextmanager
def frozen(place):
    run("fsfreeze", "-f", place)
    try:
        yield
    finally:
        run("fsfreeze", "-u", place)


def tree_sums(place):
    """Path → SHA-256 of its content, for every file below `place`."""
    sums = {}
    for path in sorted(pathlib.Path(place).rglob("*")):
        if path.is_file() and not path.is_symlink():
            sums[str(path.relative_to(place))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sums


def same_sums(expected, found, what):
    if expected != found:
        keys = [key for key in sorted(set(expected) | set(found)) if expected.get(key) != found.get(key)]
        raise TestFailure(f"{what}: {len(keys)} files differ: {keys[:8]}")


MOUNT_OPTIONS = {"ext4": "ro,noload", "xfs": "ro,nouuid,norecovery"}


def fsck(fstype, device):
    """Read-only check; what it finds fails the test.

    A frozen XFS leaves part of its metadata to its log, and xfs_repair wants the log replayed first, by mounting: the
    device must be writable for that.
    """
    if fstype == "ext4":
        run("e2fsck", "-fn", device, quiet=True)
    else:
        with mounted(device, "/mnt/replay", "nouuid"):
            pass
        run("xfs_repair", "-n", device, quiet=True)


def make_tree(place, files=40, seed=1):
    """Files of 1 byte … 200 KiB in a few folders."""
    source = random.Random(seed)
    for number in range(files):
        path = pathlib.Path(place) / f"dir{number % 5}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(source.choice((1, 700, 4096, 30000, 200000))))


def change_tree(place, seed):
    """Overwrites, deletes and adds some files."""
    source = random.Random(seed)
    files = sorted(path for path in pathlib.Path(place).rglob("file*") if path.is_file())
    for path in source.sample(files, min(6, len(files))):
        if source.random() < 0.3:
            path.unlink()
        else:
            path.write_bytes(source.randbytes(source.choice((10, 5000, 100000))))
    for number in range(3):
        (pathlib.Path(place) / f"file-{seed}-{number}").write_bytes(source.randbytes(20000))


def start_fio(folder, name="load", size="24m", loops=50, extra=()):
    """A verified random write load in the background; stop_fio() ends it."""
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    # A new session: fio's children are signalled through its group.
    return subprocess.Popen(
        ["fio", f"--name={name}", f"--directory={folder}", f"--size={size}", f"--loops={loops}", "--rw=randwrite",
         "--bs=4k", "--ioengine=io_uring", "--direct=1", "--iodepth=16", "--verify=crc32c", "--verify_fatal=1",
         "--do_verify=1", "--verify_state_save=0", "--thread", "--output-format=terse", *extra],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def stop_fio(fio):
    """Asks it to end, and fails the test if it had found an error."""
    fio.send_signal(signal.SIGINT)
    output, _ = fio.communicate(timeout=180 * SLOWNESS)
    check("verify:" not in output and "error" not in output.lower().replace("/error", ""), f"fio: {output}")
    return output


class DirectFile:
    """Reads and writes of a device past the page cache; offsets and lengths are multiples of 512."""

    def __init__(self, path):
        self.handle = os.open(path, os.O_RDWR | os.O_DIRECT)
        self.buffer = mmap.mmap(-1, 4 << 20)

    def close(self):
        os.close(self.handle)
        self.buffer.close()

    def read(self, offset, length):
        view = memoryview(self.buffer)[:length]
        got = os.preadv(self.handle, [view], offset)
        check(got == length, f"read {got} of {length} bytes at {offset}")
        return bytes(view)

    def write(self, offset, data):
        self.buffer[:len(data)] = data
        put = os.pwritev(self.handle, [memoryview(self.buffer)[:len(data)]], offset)
        check(put == len(data), f"wrote {put} of {len(data)} bytes at {offset}")
