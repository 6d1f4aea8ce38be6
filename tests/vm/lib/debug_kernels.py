# SPDX-License-Identifier: GPL-2.0
"""Kernels with their own checkers (KASAN, lockdep, …), built from the distribution's source: debug-6.1, debug-6.12.

What they are made of is tests/vm/kernels: debug.config (and debug-SERIES.config) over the architecture's default
configuration, and debug-SERIES.patch. In the cache, beside the distribution's kernels:

    debug-SERIES-VERSION-RECIPE/      of one version of the source package and one recipe (a sum of the files above)
        bzImage, System.map, config
        build/                        what modules are compiled against: headers, makefiles, their programs
        root/lib/modules/RELEASE/     the modules
    debug-SERIES-RECIPE.json          which of them stands for the name
    debug-build/…                     a build that has not ended: the next one goes on where it was

Checkouts with other configurations live side by side. The release names the recipe, too, so a module that was compiled for
one is never loaded into another.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

from .common import VM, HarnessError, cache_dir, locked, run, say
from .kernels import Kernel

NAMES = ("debug-6.1", "debug-6.12")
RECIPES = VM / "kernels"
LAYOUT = "2"  # of the folder in the cache; raised when what this file makes of the same recipe is another thing
# An emulated guest with one of these kernels takes so many times as long as with the distribution's (boot: 7 s, 60 s).
SLOWNESS = 8
MORE_MEMORY = 160 << 20
FAILED_TAIL = 40  # lines of a failed build's log that are shown


@dataclasses.dataclass(frozen=True)
class DebugKernel(Kernel):
    """KASAN does not survive the entry that QEMU takes into a vmlinux (PVH), so the bzImage is what boots."""

    @property
    def image(self):
        return self.home / "bzImage"

    @property
    def headers(self):
        return self.home / "build"

    @property
    def system_map(self):
        return self.home / "System.map"

    @property
    def debug(self):
        return True

    @property
    def slowness(self):
        return SLOWNESS

    def memory(self, size):
        """KASAN takes an eighth of all; lockdep, and the redzones and what is kept for a while after it was freed, the rest."""
        return size * 8 // 7 + MORE_MEMORY


def series_of(name):
    if name not in NAMES:
        raise HarnessError(f"no kernel '{name}' to build (there are: {', '.join(NAMES)})")
    return name.removeprefix("debug-")


def fragments(name):
    found = (RECIPES / "debug.config", RECIPES / f"{name}.config")
    return [path for path in found if path.exists()]


def patches(name):
    path = RECIPES / f"{name}.patch"
    return [path] if path.exists() else []


@functools.cache
def recipe(name):
    total = hashlib.sha256(LAYOUT.encode())
    for path in fragments(name) + patches(name):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:8]


def _pointer(name):
    return cache_dir() / f"{name}-{recipe(name)}.json"


def built(name):
    """The kernel, or None if it was not built."""
    series_of(name)
    if not _pointer(name).exists():
        return None
    found = json.loads(_pointer(name).read_text())
    kernel = DebugKernel(found["release"], cache_dir() / found["folder"])
    return kernel if kernel.image.exists() else None


def get(name):
    kernel = built(name)
    if kernel is None:
        raise HarnessError(f"{name} is not built; tests/vm/kernel build {name} makes it (about 25 minutes)")
    return kernel


def build(name, update=False):
    """The kernel, built if it is not there, or with `update` if the archive has a newer source."""
    series = series_of(name)
    with locked(cache_dir() / f".lock-{name}"):
        kernel = built(name)
        if kernel and not update:
            return kernel
        version = _source_version(name, series, update)
        home = cache_dir() / f"{name}-{version}-{recipe(name)}"
        if kernel and kernel.home == home:
            return kernel
        work = cache_dir() / "debug-build" / home.name
        work.mkdir(parents=True, exist_ok=True)
        source = _source(work, series, version, patches(name))
        _configure(name, source, work)
        _make(name, source, work)
        release = _install(name, source, work, home)
        scratch = _pointer(name).with_suffix(".tmp")
        scratch.write_text(json.dumps({"release": release, "folder": home.name}) + "\n")
        scratch.rename(_pointer(name))
        shutil.rmtree(work)
        return built(name)


# --- the steps: each does nothing if it was done before -------------------------------------------------------------------

def _step(what, remedy, argv, **kwargs):
    """Runs a program; a failure says which step that was and what to do."""
    try:
        return run(argv, **kwargs)
    except HarnessError as error:
        raise HarnessError(f"{what} failed; {remedy}:\n{error}") from None


def _candidate(package):
    shown = run(["apt-cache", "policy", package])
    found = re.search(r"^\s*Candidate: (\S+)$", shown, re.M)
    return found.group(1) if found and found.group(1) != "(none)" else None


def _source_version(name, series, update):
    package = f"linux-source-{series}"
    version = None if update else _candidate(package)
    if version is None:
        if os.geteuid() == 0:
            say("fetching the package lists (apt-get update)")
            _step("fetching the package lists", "see to the network and to apt's sources",
                  ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600", "update"])
        version = _candidate(package)
    if version is None:
        raise HarnessError(f"{name} is made from the package {package}, which the archives of this system do not have, as far "
                           "as its package lists know; run apt-get update, or build on the release of Debian that has it, or "
                           f"another of {', '.join(NAMES)}")
    return version


def _source(work, series, version, changes):
    """The patched source."""
    source = work / "source"
    if source.exists():
        return source
    scratch = work / "source.tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    package = f"linux-source-{series}"
    say(f"downloading {package} {version} (once; about 150 MB)")
    _step(f"downloading {package} {version}", "see to the network, or apt-get update if the archive has dropped that version",
          ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", f"{package}={version}"], cwd=scratch)
    say("unpacking it")
    unpack = "is there room in the cache (3 GB)?"
    for archive in scratch.glob("*.deb"):
        _step(f"unpacking {archive.name}", unpack, ["dpkg", "-x", archive, scratch / "deb"])
    (scratch / "tree").mkdir()
    archive = scratch / "deb" / "usr" / "src" / f"{package}.tar.xz"
    _step(f"unpacking {archive.name}", unpack, ["tar", "-C", scratch / "tree", "--strip-components=1", "-xf", archive])
    for change in changes:
        _step(f"applying {change.name}", "the source has changed there: adapt the patch, or remove it if it is needed no more",
              ["patch", "-d", scratch / "tree", "-p1", "--forward", "--input", change])
    (scratch / "tree").rename(source)
    shutil.rmtree(scratch)
    return source


def _argv(name, source, work, *arguments):
    # Nobody waits at the screen for a kernel: what else runs comes first.
    return ["nice", "-n", "5", "make", "-s", "-C", source, f"O={work / 'obj'}", f"LOCALVERSION=-debug-{recipe(name)}",
            "KBUILD_BUILD_USER=tests", "KBUILD_BUILD_HOST=vm", *arguments]


def _environment():
    return {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CFLAGS", "ARCH")}


def _configure(name, source, work):
    config = work / "obj" / ".config"
    done = work / "configured"
    if done.exists():
        return
    config.parent.mkdir(exist_ok=True)
    remedy = "see tests/vm/kernels"
    _step("making the default configuration", remedy, _argv(name, source, work, "x86_64_defconfig"), env=_environment())
    wanted = "".join(path.read_text() for path in fragments(name))
    with open(config, "a", encoding="utf-8") as file:
        file.write(wanted)
    _step("configuring", remedy, _argv(name, source, work, "olddefconfig"), env=_environment())
    got = set(config.read_text().splitlines())
    # A series' own fragment comes last, and may take back what the common one has.
    last = {line.split("=")[0]: line for line in wanted.splitlines() if line.startswith("CONFIG_")}
    lost = [line for line in last.values() if not line.endswith("=n") and line not in got]
    if lost:
        names = " and ".join(path.name for path in fragments(name))
        raise HarnessError(f"{name} cannot be configured as {names} (tests/vm/kernels) wants it; these did not become so ("
                           f"another name in this series, or what they depend on is off): {', '.join(lost)}")
    done.touch()


def _make(name, source, work):
    log = work / "build.log"
    say(f"building {name} (about 25 minutes on two processors; interrupted, it goes on when called again; log: {log})")
    with open(log, "ab") as out:
        argv = _argv(name, source, work, f"-j{len(os.sched_getaffinity(0))}", "bzImage", "modules")
        status = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                env=_environment(), check=False).returncode
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-FAILED_TAIL:])
        raise HarnessError(f"building {name} failed (make's status {status}): is there room (3 GB)? Has tools/install-deps "
                           "kernel been run? If the compiler is too new for this kernel, build it on an older release of Debian. "
                           f"The end of {log}:\n{tail}")


def _install(name, source, work, home):
    """Lays out what guests and modules need. Returns the release."""
    obj = work / "obj"
    release = (obj / "include" / "config" / "kernel.release").read_text().strip()
    scratch = work / "home"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    _step(f"installing {name}'s modules", "is there room in the cache?",
          _argv(name, source, work, f"INSTALL_MOD_PATH={scratch / 'root'}", "INSTALL_MOD_STRIP=1", "modules_install"),
          env=_environment())
    for link in ("build", "source"):
        (scratch / "root" / "lib" / "modules" / release / link).unlink(missing_ok=True)
    shutil.copy2(obj / "arch" / "x86" / "boot" / "bzImage", scratch)
    shutil.copy2(obj / "System.map", scratch)
    shutil.copy2(obj / ".config", scratch / "config")
    _copy_for_modules(source, obj, scratch / "build")
    if home.exists():  # of a cache whose pointer was deleted
        shutil.rmtree(home)
    scratch.rename(home)
    return release


def _copy_for_modules(source, obj, build):
    """As the kernel's own package of headers has it: makefiles, headers and scripts, and over them what was generated."""
    given = "find Makefile Kbuild arch/x86/Makefile* include scripts arch/x86/include -type f -o -type l"
    made = "find include scripts arch/x86/include tools/objtool/objtool Module.symvers .config -type f"
    build.mkdir()
    for place, names in ((source, given), (obj, made)):
        script = f'set -eo pipefail; cd "$0"; {names} | tar -c --no-recursion -T - -f - | tar -x -C "$1" -f -'
        _step("copying what modules need", "is there room in the cache?", ["bash", "-c", script, place, build])
