# SPDX-License-Identifier: GPL-2.0
"""Builds dm-ddsnap for a guest's kernel and lays out a /lib/modules/RELEASE with it.

    build/kernel/RELEASE/obj/                      where kernel/Makefile builds (the sources themselves stay clean)
    build/kernel/RELEASE/tree/lib/modules/RELEASE  the kernel's own modules (a link into the cache), extra/dm-ddsnap.ko, and
                                                   modprobe's indexes of both

Several runs at once share this: one builds, the others wait for the lock and find nothing left to do. A published .ko
is replaced by a rename, so that a guest that already runs loads the one or the other, never a half.
"""

import os
import re
import shutil
import subprocess

from .common import BUILD, HarnessError, ROOT, last_words, locked, run, say

SOURCES = ROOT / "kernel"
WARNING = re.compile(r"\bwarning\b|: error:", re.I)  # sparse's errors do not fail make
# Said for every out-of-tree module when the distribution's headers have no vmlinux with debugging information.
HARMLESS = re.compile(r"Skipping BTF generation|the compiler differs from the one used to build the kernel|"
                      r"pahole version differs from the one used to build the kernel")


def has_sources():
    return (SOURCES / "Makefile").exists()


def place(kernel, sources=SOURCES):
    """Where all that is built of these sources for this kernel is; other sources than the checkout's have it among them."""
    return (BUILD / "kernel" if sources == SOURCES else sources / "built") / kernel.release


def build(kernel, extra_args=(), work="obj", sources=SOURCES):
    """make -C kernel with W=1; any warning is an error. Returns make's output. Call with the lock held."""
    out = place(kernel, sources) / work
    # make takes half a file, of a compiler that was killed or of a power cut, for a whole one.
    unfinished = out.with_name(f".{work}-unfinished")
    if unfinished.exists() and out.exists():
        say("an earlier build of dm-ddsnap was interrupted; beginning again")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    before = _stamp(out)
    argv = ["make", "-C", sources, f"KDIR={kernel.headers}", f"BUILD={out}", "W=1", "KCFLAGS=-Werror", *extra_args, "modules"]
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CFLAGS")}
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, env=environment)
    if done.returncode != 0:
        raise HarnessError(f"dm-ddsnap does not build on {kernel.release}: {last_words(done.stdout)}", step="building the module",
                           remedy="fix kernel/, or leave the module out (--no-module)", detail=done.stdout)
    if "C=2" in extra_args and not re.search(r"^\s+CHECK ", done.stdout, re.M):
        raise HarnessError(f"sparse was to look at dm-ddsnap on {kernel.release}, and was not run", detail=done.stdout)
    warnings = [line for line in done.stdout.splitlines() if WARNING.search(line) and not HARMLESS.search(line)]
    if warnings:
        # So that the next try warns again instead of finding everything up to date.
        shutil.rmtree(out)
        raise HarnessError(f"dm-ddsnap builds on {kernel.release} with warnings: {warnings[-1]}", step="building the module",
                           remedy="fix kernel/, or leave the module out (--no-module)", detail=done.stdout)
    if _stamp(out) != before:
        run(["sync", "-f", out])
    unfinished.unlink()
    return out, done.stdout


def sparse_reads(kernel):
    """Whether sparse knows what the kernel's headers are written in: up to 0.6.4 it ends at an operator of newer ones."""
    common = next(kernel.headers.parent.glob(f"linux-headers-{kernel.release.rsplit('-', 1)[0]}-common"), kernel.headers)
    if "__typeof_unqual__" not in (common / "include" / "linux" / "compiler.h").read_text(errors="replace") + \
            (common / "include" / "linux" / "compiler_types.h").read_text(errors="replace"):
        return True
    said = subprocess.run(["sparse", "-"], input="static const int a;\nstatic __typeof_unqual__(a) b;\n", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False).stdout
    return "error" not in said


def _stamp(out):
    built = out / "dm-ddsnap.ko"
    return built.stat().st_mtime_ns if built.exists() else None


def lock_path(kernel, sources=SOURCES):
    return place(kernel, sources) / ".lock"


def module_tree(kernel, with_module=True, sources=SOURCES):
    """The folder to be the guest's /lib/modules/RELEASE."""
    if not with_module:
        return kernel.modules
    if not has_sources():
        say("no kernel/Makefile in this checkout: the guest gets no dm-ddsnap")
        return kernel.modules
    with locked(lock_path(kernel, sources)):
        out, _ = build(kernel, sources=sources)
        built = out / "dm-ddsnap.ko"
        if not built.exists():
            raise HarnessError(f"make in kernel/ succeeded without making {built}")
        base = place(kernel, sources) / "tree"
        tree = base / "lib" / "modules" / kernel.release
        published = tree / "extra" / "dm-ddsnap.ko"
        if published.exists() and published.stat().st_mtime_ns == built.stat().st_mtime_ns and \
                (tree / "kernel").exists() and (tree / "modules.dep.bin").exists():
            return tree
        published.parent.mkdir(parents=True, exist_ok=True)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy2(kernel.modules / name, tree / name)
        link = tree / "kernel"
        if link.is_symlink():
            link.unlink()
        link.symlink_to(kernel.modules / "kernel")
        scratch = published.with_suffix(".tmp")
        shutil.copy2(built, scratch)
        scratch.rename(published)
        run(["depmod", "-b", base, kernel.release])
        return tree
