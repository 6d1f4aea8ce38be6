# SPDX-License-Identifier: GPL-2.0
"""The stages that need no kernel of ours: bytes on the wire, throughput, progress, and the listing of deltas.

Each yields measurements, dictionaries with "stage" and "repeat".
"""

import json
import subprocess

from .meter import metered
from .rig import GIB, MIB, Volume, count_bytes, fresh_folder, make_file, pipeline, same, wait_until, words

CHUNK_SHIFTS = (12, 14, 16)


def wire(programs, folder, options):
    """Scattered changes of every kind; what was changed is counted by who made the changes."""
    for shift in CHUNK_SHIFTS:
        place = fresh_folder(folder / "wire")
        size = 4 * options.wire_chunks << shift
        with Volume(programs, place, size, store=size + GIB // 4, chunk_shift=shift) as volume:
            since = volume.snapshot()
            for repeat in range(options.repeats):
                made = volume.change(seed=100 * shift + repeat, chunks=options.wire_chunks, zeros=0.1)
                to = volume.snapshot()
                sent = {how: count_bytes(volume.sender(to, how, since)) for how in ("none", "zstd")}
                yield {"stage": "wire", "repeat": repeat, "chunk_bytes": 1 << shift, **made, "stream_bytes": sent["none"],
                       "zstd_bytes": sent["zstd"]}
                since = to


class Throughput:
    """A whole volume from one file to another, by several means, in turn.

    All read and write past the page cache, 1 MiB at a time, into a file that is there and as large, and have the data
    durable at their end.
    """

    def __init__(self, programs, folder, options, kind):
        self.kind, self.size, self.repeats = kind, options.size, options.repeats
        self.folder = fresh_folder(folder / "throughput")
        self.source = Volume(programs, self.folder / "source", self.size)
        self.source.fill(kind, 7)
        self.target = Volume(programs, self.folder / "target", self.size)
        self.copy = self.folder / "copy"
        make_file(self.copy, self.size)
        self.snapshot = None

    def dd(self):
        return pipeline(["dd", f"if={self.source.origin}", "bs=1M", "iflag=direct", "status=none"],
                        ["dd", f"of={self.copy}", "bs=1M", "iflag=fullblock", "oflag=direct", "conv=notrunc,fdatasync",
                         "status=none"])

    def ours(self, compress):
        return pipeline(self.source.sender(self.snapshot, compress), self.target.receiver())

    def rsync(self, *options):
        # --fsync: durable at the end like the others; --ignore-times: the times are no reason to skip it.
        return pipeline(["rsync", "--inplace", "--ignore-times", "--fsync", *options, self.source.origin, self.copy])

    def nbd(self):
        socket = self.folder / "nbd"
        socket.unlink(missing_ok=True)
        with subprocess.Popen(words(["nbdkit", "--foreground", "--readonly", "--unix", socket, "file", self.source.origin,
                                     "cache=none"])) as server:
            try:
                wait_until(socket.exists, 30, "nbdkit")
                seconds, processor = pipeline(["nbdcopy", "--flush", "--request-size", MIB, f"nbd+unix:///?socket={socket}",
                                               self.copy])
            finally:
                server.terminate()
        return seconds, processor

    def stale(self):
        """The copy holds something else before each run: a tool that compares first should find nothing done already."""
        pipeline(["dd", "if=/dev/zero", f"of={self.copy}", "bs=1M", f"count={self.size // MIB}", "oflag=direct",
                  "conv=notrunc,fdatasync", "status=none"])

    def systems(self):
        return {"dd": self.dd, "ours": lambda: self.ours("none"), "ours, zstd": lambda: self.ours("zstd"),
                "nbdcopy": self.nbd, "rsync --whole-file": lambda: self.rsync("--whole-file"),
                "rsync --no-whole-file": lambda: self.rsync("--no-whole-file")}

    def run(self):
        every = self.systems()
        names = list(every)
        with self.source, self.target:
            self.snapshot = self.source.snapshot()
            for name in ("dd", "ours"):  # a file's first writing is another thing: not measured
                every[name]()
            for repeat in range(self.repeats):
                turn = repeat % len(names)
                for name in names[turn:] + names[:turn]:
                    if not name.startswith("ours"):
                        self.stale()
                    seconds, processor = every[name]()
                    yield {"stage": "throughput", "repeat": repeat, "kind": self.kind, "system": name, "bytes": self.size,
                           "seconds": seconds, "processor_seconds": processor}
        for copy in (self.target.origin, self.copy):
            if not same(self.source.origin, copy):
                raise RuntimeError(f"{copy} is not what was sent")


def progress(programs, folder, options):
    """What --json foretold on the way, and what then happened; zstd at a level that makes it take a while."""
    place = fresh_folder(folder / "progress")
    with Volume(programs, place / "source", options.size // 2) as source, \
            Volume(programs, place / "target", options.size // 2) as target:
        source.fill("text", 9)
        snapshot = source.snapshot()
        for repeat in range(options.repeats):
            lines = metered([*source.sender(snapshot, "zstd:7"), "--json"], target.receiver())
            yield {"stage": "progress", "repeat": repeat, "lines": lines}


def delta(programs, options):
    argv = [programs.delta, "--exceptions", options.exceptions, "--most", options.most_changed, "--repeats",
            max(options.repeats, 5)]
    done = subprocess.run(words(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{words(argv)}: status {done.returncode}")
    yield {"stage": "delta", "repeat": 0, **json.loads(done.stdout)}
