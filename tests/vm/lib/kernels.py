# SPDX-License-Identifier: GPL-2.0
"""The guests' kernels: the distribution's own packages, downloaded and unpacked into a cache, never installed.

One folder a kernel release in the cache:

    RELEASE/root/            the packages (image, headers, common headers, kbuild) unpacked, unneeded modules removed
    RELEASE/vmlinux          the uncompressed kernel, which QEMU boots a second or two sooner than the vmlinuz
    SERIES.json              which release stands for "6.1" or "6.12"

A kernel once in the cache is used until `tests/vm/run --update-kernels`: a test's result should not change because an
archive did.
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

from .common import HarnessError, cache_dir, locked, run, say

# The meta packages that know the newest build of each series.
META = {"6.1": "linux-image-amd64", "6.12": "linux-image-6.12-amd64"}

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

    @property
    def system_map(self):
        return self.home / "root" / "boot" / f"System.map-{self.release}"


def names():
    from .debug_kernels import NAMES  # which needs this module
    return [*sorted(META), *NAMES]


def get(series, update=False):
    """The kernel that stands for a series, downloaded if the cache has none (or if told to look for a newer)."""
    if series.startswith("debug-"):
        from . import debug_kernels  # which needs this module
        return debug_kernels.get(series)
    if series not in META:
        raise HarnessError(f"no kernel '{series}' (there are: {', '.join(META)})")
    cache = cache_dir()
    pointer = cache / f"{series}.json"
    with locked(cache / f".lock-{series}"):
        if not update and pointer.exists():
            kernel = _kernel(cache, json.loads(pointer.read_text())["release"])
            if kernel.vmlinux.exists():
                return kernel
        kernel = _fetch(cache, series)
        scratch = pointer.with_suffix(".tmp")
        scratch.write_text(json.dumps({"release": kernel.release}) + "\n")
        scratch.rename(pointer)
        return kernel


def _kernel(cache, release):
    return Kernel(release, cache / release)


def source_files(members):
    """Files of the kernel's source tree that the header packages leave out, e.g. "scripts/checkpatch.pl"."""
    cache = cache_dir()
    home = cache / "source-files"
    with locked(cache / ".lock-source"):
        if all((home / m).exists() for m in members):
            return home
        say("downloading the kernel's source for its checking scripts (once; about 140 MB, of which they are kept)")
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=".source.", dir=cache))
        try:
            _download(["linux-source-6.1"], scratch)
            run(["dpkg", "-x", *scratch.glob("*.deb"), scratch])
            run(["tar", "-C", scratch, "-xf", scratch / "usr/src/linux-source-6.1.tar.xz", "--strip-components=1",
                 *(f"linux-source-6.1/{m}" for m in members)])
            for member in members:
                (home / member).parent.mkdir(parents=True, exist_ok=True)
                (scratch / member).rename(home / member)
        finally:
            shutil.rmtree(scratch)
        return home


# --- packages ----------------------------------------------------------------------------------------------------------

def _depends(package):
    """The candidate's dependencies: a list of (name, exact version or None)."""
    shown = subprocess.run(["apt-cache", "show", "--no-all-versions", package], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True, check=False).stdout
    line = re.search(r"^Depends: (.*)$", shown, re.M)
    if not line:
        return []
    found = []
    for term in re.split(r"[,|]", line.group(1)):
        match = re.match(r"\s*(\S+)(?: \((\S+) (\S+)\))?", term)
        name, relation, version = match.groups()
        found.append((name, version if relation == "=" else None))
    return found


def _pick(package, pattern):
    for name, version in _depends(package):
        if re.fullmatch(pattern, name):
            return name, version
    return None, None


def _resolve(series):
    """All packages of the newest kernel of a series, as apt-get's arguments; the release first."""
    image, version = _pick(META[series], r"linux-image-\d.*-amd64")
    if image is None:
        return None
    release = image.removeprefix("linux-image-")
    headers = f"linux-headers-{release}"
    common, _ = _pick(headers, r"linux-headers-.*-common")
    kbuild, _ = _pick(headers, r"linux-kbuild-.*")
    if common is None or kbuild is None:
        return None
    return release, [f"{p}={version}" for p in (image, headers, common, kbuild)]


def _update_lists():
    if os.geteuid() != 0:
        raise HarnessError("the package lists are absent or too old, and only root can fetch them: apt-get update")
    say("fetching the package lists (apt-get update)")
    run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600", "update"])


def _download(packages, into):
    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=into)


def _fetch(cache, series):
    found = _resolve(series)
    if found is None:
        _update_lists()
        found = _resolve(series)
        if found is None:
            raise HarnessError(f"the package archive has no kernel {series} ({META[series]}) with headers")
    release, packages = found
    kernel = _kernel(cache, release)
    if kernel.vmlinux.exists():
        return kernel

    say(f"downloading kernel {release} and its headers into {cache} (once; about 100 MB)")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix=f".{release}.", dir=cache))
    try:
        try:
            _download(packages, scratch)
        except HarnessError:
            # Most likely lists older than the archive, which has dropped that build: look again, once, with new lists.
            _update_lists()
            release, packages = _resolve(series)
            kernel = _kernel(cache, release)
            _download(packages, scratch)
        for package in sorted(scratch.glob("*.deb")):
            run(["dpkg", "-x", package, scratch / "root"])
            package.unlink()
        _finish(Kernel(release, scratch), final=kernel.home)
        if kernel.home.exists():
            shutil.rmtree(kernel.home)
        scratch.chmod(0o755)
        scratch.rename(kernel.home)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return kernel


def _finish(kernel, final):
    root = kernel.home / "root"
    if not kernel.modules.exists():  # packages made for a merged /usr have them there
        (root / "lib").mkdir(exist_ok=True)
        (root / "lib" / "modules").symlink_to("../usr/lib/modules")
    for path in UNWANTED:
        shutil.rmtree(kernel.modules / "kernel" / path, ignore_errors=True)
    # Some series' modules come compressed: unpacked here once, rather than at every load by an emulated processor.
    packed = sorted(str(m) for m in kernel.modules.rglob("*.ko.xz"))
    if packed:
        run(["xz", "-dT0", *packed])
    # The header packages name each other by the place they are installed at; we have them elsewhere.
    for makefile in root.glob("usr/src/linux-headers-*/**/Makefile"):
        if makefile.parent.name.startswith("linux-headers-"):
            text = makefile.read_text()
            makefile.write_text(text.replace("/usr/src/linux-headers-", f"{final}/root/usr/src/linux-headers-"))
    run(["depmod", "-b", root, "-F", kernel.system_map, kernel.release])
    vmlinuz = root / "boot" / f"vmlinuz-{kernel.release}"
    scratch = kernel.home / "vmlinux.tmp"
    scratch.write_bytes(unpack_vmlinuz(vmlinuz.read_bytes()))
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
