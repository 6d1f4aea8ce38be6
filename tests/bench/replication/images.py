# SPDX-License-Identifier: GPL-2.0
"""Filesystems with many small files, made once on the host (in a guest that would take an hour) and kept."""

import os
import pathlib
import tempfile

from .rig import run

FILE_BYTES = 4096
PER_FOLDER = 1000
MEMORY = pathlib.Path("/dev/shm")


def path_of(number):
    return f"{number // PER_FOLDER:04}/{number % PER_FOLDER:03}"


def plant(tree, files, with_data):
    """Files 0 … `files` - 1, all as large, the first ones with random content. Nobody ever looks into the others."""
    for number in range(files):
        if number % PER_FOLDER == 0:
            (tree / path_of(number)).parent.mkdir()
        with open(tree / path_of(number), "wb", buffering=0) as file:
            if number < with_data:
                file.write(os.urandom(FILE_BYTES))
            else:
                file.truncate(FILE_BYTES)


def image(folder, files, gib, with_data):
    """An ext4 image with so many files; sparse, and nothing left for the kernel to initialise at leisure."""
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"ext4-{gib}g-{files}-{with_data}.img"
    if not made.exists():
        scratch = made.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        # In memory: a million files on a disk would take long to make, and longer to remove.
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as tree:
            plant(pathlib.Path(tree), files, with_data)
            run("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, "-N", max(110_000, min(1_100_000, gib * 110_000)),
                "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", scratch, f"{gib}G")
        scratch.rename(made)
    return made
