# SPDX-License-Identifier: GPL-2.0
"""The guests' root is this machine's: its packages stay as they are while a guest runs.

A guest keeps what it has read of a file in its page cache under the file's name (cache=loose), and QEMU finds files by name.
If dpkg puts a library's new version in the place of the old one meanwhile, the guest reads what it still lacks from the new
file, to stand among the old one's pages: a mixture that never was on any disk, and programs that run it die, or worse, do not.
With libcrypto replaced between a first program's start and sshd's, sshd died of a segmentation fault each time.

dpkg, apt and whatever else changes packages take a write lock (POSIX) on one file first. A run holds a read lock on it: any
number of runs at once, none of them beside dpkg. Who may not open that file (it is root's) finds out at the end.
"""

import contextlib
import errno
import fcntl
import os
import pathlib
import struct

from .common import HarnessError, say

LOCK = "var/lib/dpkg/lock-frontend"
STATUS = "var/lib/dpkg/status"  # which dpkg replaces whatever it does to a package
FLOCK = "hhqqi4x"  # struct flock: l_type, l_whence, l_start, l_len, l_pid


@contextlib.contextmanager
def unchanged(root=pathlib.Path("/")):
    """While this is held, no package of the root comes, changes or goes. HarnessError at the end if one did all the same."""
    lock = _open(root / LOCK)
    try:
        if lock is not None:
            _take(lock)
        before = _stamp(root)
        yield
        if _stamp(root) != before:
            raise HarnessError(f"packages were installed or removed ({root / STATUS} changed) while the guest ran, whose root "
                               "this is: it may have had files that are partly old and partly new, so what it did means "
                               "nothing. Run it again when no package is being installed, or as root, which has dpkg wait")
    finally:
        if lock is not None:
            os.close(lock)  # and so gives the lock back


def _open(path):
    """None if there is no dpkg, or if the lock is not ours to take."""
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CREAT):  # the first use of dpkg makes it
        try:
            return os.open(path, flags | os.O_CLOEXEC, 0o640)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return None
            raise HarnessError(f"{path}: {error.strerror}") from None
    return None


def _take(lock):
    try:
        fcntl.lockf(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        say(f"{_holder(lock)} is changing packages, which must stay as they are while a guest runs: waiting for its end")
        fcntl.lockf(lock, fcntl.LOCK_SH)


def _holder(lock):
    asked = struct.pack(FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, process = struct.unpack(FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return "another program"
    try:
        name = pathlib.Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = "a program"
    return f"{name} (process {process})"


def _stamp(root):
    try:
        found = (root / STATUS).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
