# SPDX-License-Identifier: GPL-2.0
"""The guests' kernels: the distribution's own packages, downloaded and unpacked into a cache, never installed.

One folder a kernel release in the cache:

    RELEASE/root/            the packages (image, headers, common headers, kbuild) unpacked, unneeded modules removed
    RELEASE/vmlinux          the uncompressed kernel, which QEMU boots a second or two sooner than the vmlinuz
    RELEASE/fetched.json     what it was fetched for, and the packages with their versions
    SERIES.json              which release stands for "6.1" or "6.12"

The folder gets its name when all of it is there. A kernel once in the cache is used until `tests/vm/run --update-kernels`: a
test's result should not change because an archive did.
"""

import dataclasses
import gzip
import json
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

from . import archive, systems
from .common import HarnessError, cache_dir, last_words, locked, run, say, step

# What stands for a name, in each release of Debian, the usual one first: the meta package that knows the newest kernel of the
# series. Others are found by the names of the images in the archive, linux-image-6.1.*.
RELEASES = {
    "debian12": {"6.1": "linux-image-amd64", "6.12": "linux-image-6.12-amd64"},
    "debian13": {"6.12": "linux-image-amd64", "7.3": "linux-image-amd64"},
    "testing": {"7.2": "linux-image-amd64"},
}
SERIES = RELEASES[systems.release() or "debian12"]

SOURCE = f"linux-source-{next(iter(SERIES))}"

# While it is made: the packages, what they hold, and the vmlinux. The largest of November 2026 is Debian 12's 6.1, with 81, 453
# and 63 MB (apt-cache show: Size and Installed-Size of the packages in fetched.json; du vmlinux), and the source, with 133 and
# 133; a fifth more than that.
ROOM_NEEDED = 720 << 20

# Two thirds of the modules' size, and nothing that a guest without hardware could load: cheaper to unpack and index.
UNWANTED = ("sound", "drivers/gpu", "drivers/media", "drivers/staging", "drivers/infiniband", "drivers/iio",
            "drivers/net/wireless", "drivers/net/ethernet", "drivers/net/can", "drivers/net/usb", "drivers/net/phy",
            "drivers/usb", "drivers/hwmon", "drivers/input", "drivers/bluetooth", "drivers/hid", "drivers/isdn",
            "drivers/mtd", "drivers/mfd", "drivers/platform", "drivers/edac", "drivers/firewire", "drivers/i2c",
            "drivers/comedi", "drivers/leds", "drivers/rtc", "drivers/thunderbolt", "drivers/accel", "drivers/gpio")


@dataclasses.dataclass(frozen=True)
class Kernel:
    release: str  # as uname -r prints it
    home: pathlib.Path

    @property
    def vmlinux(self):
        return self.home / "vmlinux"

    @property
    def image(self):
        """What QEMU boots."""
        return self.vmlinux

    @property
    def debug(self):
        """Whether it has checkers of its own (debug_kernels.py)."""
        return False

    @property
    def slowness(self):
        """How many times as long as with the distribution's kernel of the first series a guest takes."""
        return 1

    def memory(self, size):
        """Bytes for a guest that is to have room for as much as one of `size` bytes with the distribution's kernel."""
        return size

    @property
    def modules(self):
        return self.home / "root" / "lib" / "modules" / self.release

    @property
    def headers(self):
        return self.home / "root" / "usr" / "src" / f"linux-headers-{self.release}"

    def packaged(self, name):
        """vmlinuz or System.map: in /boot, or from Linux 7 on beside the modules."""
        beside = self.modules / name
        return beside if beside.exists() else self.home / "root" / "boot" / f"{name}-{self.release}"

    @property
    def system_map(self):
        return self.packaged("System.map")


def names(system=systems.HOST):
    """What there is for a system, the usual one first."""
    from .debug_kernels import NAMES  # which needs this module
    return [*(RELEASES.get(system) or SERIES), *NAMES]


def default():
    return next(iter(SERIES))


def get(series, update=False):
    """The kernel that stands for a series, downloaded if the cache has none (or if told to look for a newer)."""
    if series.startswith("debug-"):
        from . import debug_kernels  # which needs this module
        return debug_kernels.get(series)
    if series not in SERIES:
        raise HarnessError(f"no kernel '{series}' (there are: {', '.join(SERIES)})", step="the kernel",
                           remedy="name one of these after --kernel")
    cache = cache_dir()
    pointer = cache / f"{series}.json"
    with step(f"kernel {series}, into {cache}"), locked(cache / f".lock-{series}"):
        for litter in cache.glob(f".fetch-{series}.*"):  # of a run that was killed: we have the lock
            shutil.rmtree(litter)
        if not update:
            kernel = _cached(cache, series)
            if kernel:
                return kernel
        try:
            kernel = _fetch(cache, series)
        except HarnessError as error:
            kernel = _cached(cache, series)
            if kernel is None:
                raise
            say(f"{last_words(error.reason)}\nusing kernel {kernel.release}, which is in {cache} from earlier")
        scratch = pointer.with_suffix(".tmp")
        scratch.write_text(json.dumps({"release": kernel.release}) + "\n")
        scratch.rename(pointer)
        return kernel


def cached(series):
    """The release that stands for a series now; None if none was fetched."""
    kernel = _cached(cache_dir(), series)
    return kernel.release if kernel else None


def _kernel(cache, release):
    return Kernel(release, cache / release)


def _cached(cache, series):
    """The kernel of the cache that stands for a series: the one last chosen, or else the newest that was fetched for it."""
    releases = []
    for record in cache.glob("*/fetched.json"):
        if json.loads(record.read_text())["for"] == series and record.with_name("vmlinux").exists():
            releases.append(record.parent.name)
    releases.sort(key=archive.by_version)
    try:
        releases.append(json.loads((cache / f"{series}.json").read_text())["release"])
    except (FileNotFoundError, ValueError, KeyError):  # none, or a half one: made anew
        pass
    kernels = [_kernel(cache, release) for release in reversed(releases)]
    return next((kernel for kernel in kernels if kernel.vmlinux.exists()), None)


def source_files(members):
    """Files of the kernel's source tree that the header packages leave out, e.g. "scripts/checkpatch.pl"."""
    cache = cache_dir()
    home = cache / "source-files"
    with step(f"the kernel's source for its checking scripts, into {cache}"), locked(cache / ".lock-source"):
        for litter in cache.glob(".source.*"):  # of a run that was killed: we have the lock
            shutil.rmtree(litter)
        if all((home / m).exists() for m in members):
            return home
        say("downloading the kernel's source for its checking scripts (once; about 140 MB, of which they are kept)")
        _has_room(cache)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=".source.", dir=cache))
        try:
            try:
                archive.HOST.download([SOURCE], scratch)
            except HarnessError as error:
                say(f"{error.reason}\nthat may be as the package lists are older than the archive")
                archive.HOST.update()
                archive.HOST.download([SOURCE], scratch)
            run(["dpkg", "-x", *scratch.glob("*.deb"), scratch])
            run(["tar", "-C", scratch, "-xf", scratch / f"usr/src/{SOURCE}.tar.xz", "--strip-components=1",
                 *(f"{SOURCE}/{m}" for m in members)])
            run(["sync", "-f", scratch])  # as for a kernel
            for member in members:
                (home / member).parent.mkdir(parents=True, exist_ok=True)
                (scratch / member).rename(home / member)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return home


def _has_room(cache):
    free = shutil.disk_usage(cache).free
    if free < ROOM_NEEDED:
        raise HarnessError(f"{free >> 20} MB are free in {cache}; while it is unpacked, a kernel or its source takes up to "
                           f"{ROOM_NEEDED >> 20} MB", remedy="free some, or name a folder elsewhere in $ZUMASTOR_VM_CACHE")


# --- packages ----------------------------------------------------------------------------------------------------------

def _fetch(cache, series):
    """The newest kernel that the archive has all packages of. Lists that are older than the archive are fetched again, once."""
    sets, problem = archive.kernel_sets(archive.HOST, series, SERIES[series]), None
    complete = [s for s in sets if not s.missing]
    if complete:
        try:
            return _take(cache, sets, complete[0], series)
        except HarnessError as error:
            problem = error
            say(f"{error.reason}\nthat may be as the package lists are older than the archive")
    try:
        archive.HOST.update()
    except HarnessError as error:  # if it is for another source of packages, there may be something new all the same
        renewed = archive.kernel_sets(archive.HOST, series, SERIES[series])
        if renewed == sets:
            if problem:
                error.reason = f"{problem.reason}\n{error.reason}"
            raise
        say(error.reason)
    sets = archive.kernel_sets(archive.HOST, series, SERIES[series])
    for kernel_set in sets:
        if not kernel_set.missing:
            try:
                return _take(cache, sets, kernel_set, series)
            except HarnessError as error:
                problem = error
                say(f"{error.reason}\nkernel {kernel_set.release} cannot be had")
    if problem:
        raise problem
    lacking = "; ".join(f"{s.release} lacks {s.missing}" for s in sets) or f"none is named linux-image-{series}.*"
    raise HarnessError(f"the package archive has no complete kernel {series}: {lacking}",
                       remedy=f"see that the package sources have {SERIES[series]} (apt-cache policy); or try later")


def _take(cache, sets, chosen, series):
    for newer in sets[:sets.index(chosen)]:
        why = f"lacks {newer.missing}" if newer.missing else "cannot be downloaded"
        say(f"kernel {newer.release} is newer, but not complete in the package archive: it {why}")
    if sets[0] != chosen:
        say(f"taking kernel {chosen.release} instead")
    kernel = _kernel(cache, chosen.release)
    if kernel.vmlinux.exists():
        return kernel
    _has_room(cache)
    say(f"downloading kernel {chosen.release} and its headers into {cache} (once; about 100 MB)")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix=f".fetch-{series}.", dir=cache))
    try:
        archive.HOST.download(chosen.packages, scratch)
        for package in sorted(scratch.glob("*.deb")):
            run(["dpkg", "-x", package, scratch / "root"])
            package.unlink()
        _finish(Kernel(chosen.release, scratch), final=kernel.home)
        (scratch / "fetched.json").write_text(json.dumps({"for": series, "packages": [str(p) for p in chosen.packages]}) + "\n")
        scratch.chmod(0o755)
        run(["sync", "-f", scratch])  # so that a power cut finds none of it behind the new name without its content
        if kernel.home.exists():
            shutil.rmtree(kernel.home)
        scratch.rename(kernel.home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return kernel


def _finish(kernel, final):
    root = kernel.home / "root"
    if not kernel.modules.exists():  # packages made for a merged /usr have them there
        (root / "lib").mkdir(exist_ok=True)
        (root / "lib" / "modules").symlink_to("../usr/lib/modules")
    for path in UNWANTED:
        shutil.rmtree(kernel.modules / "kernel" / path, ignore_errors=True)
    # Some series' modules come compressed: unpacked here once, rather than at every load by an emulated processor.
    for suffix, unpack in (("xz", ["xz", "-dT0"]), ("zst", ["zstd", "-dqT0", "--rm"])):
        packed = sorted(str(m) for m in kernel.modules.rglob(f"*.ko.{suffix}"))
        if packed:
            run([*unpack, *packed])
    # The header packages name each other by the place they are installed at; we have them elsewhere.
    for makefile in root.glob("usr/src/linux-headers-*/**/Makefile"):
        if makefile.parent.name.startswith("linux-headers-"):
            text = makefile.read_text()
            makefile.write_text(text.replace("/usr/src/linux-headers-", f"{final}/root/usr/src/linux-headers-"))
    run(["depmod", "-b", root, "-F", kernel.system_map, kernel.release])
    scratch = kernel.home / "vmlinux.tmp"
    scratch.write_bytes(unpack_vmlinuz(kernel.packaged("vmlinuz").read_bytes()))
    scratch.rename(kernel.vmlinux)


def unpack_vmlinuz(image):
    """The ELF kernel inside a bzImage: the header says where the compressed payload is (boot protocol 2.08 and later)."""
    if image[0x202:0x206] != b"HdrS":
        raise HarnessError("the kernel image is no bzImage")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    if payload.startswith(b"\xfd7zXZ\x00"):
        kernel = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        kernel = gzip.decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        # The build appends the unpacked size, four bytes, which zstd would take for a damaged second frame.
        kernel = subprocess.run(["zstd", "-dc"], input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout
    else:
        raise HarnessError(f"the kernel image is compressed in a way not known here ({payload[:6].hex()})")
    if not kernel.startswith(b"\x7fELF"):
        raise HarnessError("what the kernel image holds is no ELF file")
    return kernel
