# SPDX-License-Identifier: GPL-2.0
"""Volumes on files, each served by a ddsnapd as a process; and running things."""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import time

from lib import systems

MIB, GIB = 1 << 20, 1 << 30


class Programs:
    def __init__(self, folder):
        self.stream = folder / "tests" / "bench" / "bench-stream"
        self.delta = folder / "tests" / "bench" / "bench-delta"
        self.daemon = folder / "ddsnapd" / "ddsnapd"


def words(argv):
    return [str(a) for a in argv]


def run(*argv, **more):
    """Its output; what it says on stderr is shown."""
    return subprocess.run(words(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, **more).stdout


def wait_until(condition, limit, what):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {limit} s")
        time.sleep(0.02)


def make_file(path, size, allocate=False):
    with open(path, "wb") as file:
        if allocate:
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


class Volume:
    """origin, store and the sockets data and control in one folder; the origin may be there already."""

    def __init__(self, programs, folder, size=None, store=GIB, chunk_shift=14):
        self.programs, self.folder = programs, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.origin = folder / "origin"
        if size is not None:
            make_file(self.origin, size)
        make_file(folder / "store", store)
        run(programs.stream, "format", folder, "--chunk-shift", chunk_shift)
        self.daemon = None
        self.control = None

    def __enter__(self):
        places = [self.folder / name for name in ("store", "origin", "data", "control")]
        with open(self.folder / "log", "ab") as log:
            self.daemon = subprocess.Popen(words([self.programs.daemon, "-f", *places]), stdin=subprocess.DEVNULL, stderr=log)
        wait_until(self._answers, 60, f"ddsnapd of {self.folder}")
        return self

    def _answers(self):
        if self.daemon.poll() is not None:
            raise RuntimeError(f"ddsnapd has ended:\n{(self.folder / 'log').read_text(errors='replace')}")
        try:
            self.control = systems.Control(str(self.folder / "control"))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def __exit__(self, *exception):
        if self.control:
            self.control.close()
        self.daemon.terminate()
        self.daemon.wait()

    def snapshot(self):
        return self.control.ask("create")["snapshot"]["id"]

    def status(self):
        return self.control.ask("status")["volume"]

    def fill(self, kind, seed):
        run(self.programs.stream, "fill", self.folder, "--kind", kind, "--seed", seed)

    def change(self, **options):
        return json.loads(run(self.programs.stream, "change", self.folder,
                              *(word for name, value in options.items() for word in (f"--{name}", value))))

    def sender(self, to, compress="none", since=None):
        return [self.programs.stream, "send", self.folder, "--to", to, "--compress", compress,
                *(["--from", since] if since is not None else [])]

    def receiver(self):
        return [self.programs.stream, "receive", self.folder]


def same(one, other):
    """Whether two files have the same content (read past the page cache's opinion of what is worth keeping)."""
    return subprocess.run(["cmp", "-s", str(one), str(other)], check=False).returncode == 0


def pipeline(*commands):
    """Runs commands as a shell's pipe does. (seconds, processor seconds of all of them); raises if one fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    running, source = [], subprocess.DEVNULL
    for number, argv in enumerate(commands):
        last = number == len(commands) - 1
        process = subprocess.Popen(words(argv), stdin=source, stdout=subprocess.DEVNULL if last else subprocess.PIPE)
        if source is not subprocess.DEVNULL:
            source.close()
        source = process.stdout
        running.append(process)
    statuses = [process.wait() for process in running]
    seconds = time.monotonic() - started
    if any(statuses):
        raise RuntimeError(f"{[words(c) for c in commands]}: statuses {statuses}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fresh_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def count_bytes(argv):
    """How many bytes a command writes."""
    process = subprocess.Popen(words(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    total = 0
    while part := process.stdout.read(MIB):
        total += len(part)
    if process.wait() != 0:
        raise RuntimeError(f"{words(argv)}: status {process.returncode}")
    return total


def programs_in(preset_folder):
    return Programs(pathlib.Path(preset_folder))
