# SPDX-License-Identifier: GPL-2.0
"""A run's own folder, in memory if there is room: disks, what the guest gets to see, the kernel log.

It is removed at the end of the run. Should a run be killed so hard that it cannot, the next one does it: a folder whose
lock nobody holds is nobody's.
"""

import fcntl
import os
import pathlib
import shutil
import tempfile

from .common import HarnessError, locked, run

PREFIX = "zumastor-vm-"


def default_parent():
    shm = pathlib.Path("/dev/shm")
    return shm if os.access(shm, os.W_OK) and os.path.ismount(shm) else pathlib.Path(tempfile.gettempdir())


def has_room(options):
    """A guest that asks for more memory than the host has would be killed in the middle of something."""
    wanted = options.mem * options.hosts
    with open("/proc/meminfo", encoding="ascii") as lines:
        facts = {name: int(rest.split()[0]) << 10 for name, rest in (line.split(":") for line in lines)}
    there = facts["MemTotal"] + facts["SwapTotal"]
    if wanted > there:
        raise HarnessError(f"the guests are to have {wanted >> 20} MB of memory, and this machine has {there >> 20} MB",
                           step="starting the guest", remedy="ask for less with --mem or --hosts")


class RunDir:
    def __init__(self, parent):
        parent.mkdir(parents=True, exist_ok=True)
        with locked(parent / "zumastor-vm.lock"):  # or a folder just made would look abandoned to another run
            self._remove_abandoned(parent)
            self.path = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            self._lock = open(self.path / ".lock", "w", encoding="ascii")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.share = self.path / "share"
        self.share.mkdir(mode=0o755)
        self.path.chmod(0o755)

    @staticmethod
    def _remove_abandoned(parent):
        for folder in parent.glob(PREFIX + "*"):
            try:
                with open(folder / ".lock", "r", encoding="ascii") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            except (BlockingIOError, FileNotFoundError, PermissionError):
                continue

    def remove(self):
        shutil.rmtree(self.path)
        self._lock.close()


def make_disks(folder, count, size, preallocate):
    """Image files vda.img, vdb.img, …: those that exist are kept as they are, the others made, empty."""
    folder.mkdir(parents=True, exist_ok=True)
    disks = []
    for number in range(count):
        image = folder / f"vd{chr(ord('a') + number)}.img"
        if not image.exists():
            with open(image, "wb") as file:
                if preallocate:
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
        elif not image.is_file():
            raise HarnessError(f"{image} is no disk image")
        disks.append(image)
    return disks


def make_root(image, size=4 << 30):
    """The disk that takes what a guest writes to its root, for the next run; made, empty, if it is not there."""
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        scratch = image.with_suffix(".new")
        with open(scratch, "wb") as file:
            file.truncate(size)
        run(["mkfs.ext4", "-q", "-F", scratch])
        scratch.rename(image)
    return image
