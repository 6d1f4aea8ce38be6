# SPDX-License-Identifier: GPL-2.0
"""The guest's first root: busybox, half a dozen modules, some device nodes and guest/init, as a "newc" cpio archive.

Made in a few milliseconds, so it is made anew for every run: nothing to keep up to date.
"""

import hashlib
import pathlib
import stat

from .common import HarnessError, VM

# What it takes to reach the host's root: the bus, disks, the serial ports and the shared folders.
WANTED = ("virtio_pci", "virtio_blk", "virtio_console", "9p", "9pnet_virtio", "overlay")
# ... and for a root that is kept on a disk (--keep-root).
WANTED_FOR_ROOT = ("ext4",)
BUSYBOX = pathlib.Path("/bin/busybox")
# QEMU has the archive end 160 KiB below the end of the memory under 4 GiB, but SeaBIOS may use 256 KiB there for itself, for
# instance the rings of disks, which can be written to when the archive is there already. What comes last is for that.
BESIDE_THE_FIRMWARE = 128 << 10


def _module_name(path):
    return pathlib.PurePath(path).name.split(".ko")[0].replace("-", "_")


def _wanted_before(kernel):
    """What a module asks for by the name of a service, such as the checksum that ext4's journal takes, which has another module
    in each series: the modules for it, of several the one for every processor."""
    modules, before = {}, {}
    for line in (kernel.modules / "modules.alias").read_text().splitlines():
        if line.startswith("alias crypto-"):
            _, alias, module = line.split()
            modules.setdefault(alias, []).append(module)
    for line in (kernel.modules / "modules.softdep").read_text().splitlines():
        if line.startswith("softdep "):
            module, _, services = line.removeprefix("softdep ").partition(" pre: ")
            found = [sorted(modules[s], key=lambda m: "generic" not in m)[0] for s in services.split() if s in modules]
            before.setdefault(module.replace("-", "_"), []).extend(found)
    return before


def load_order(kernel, keep_root):
    """The wanted modules and all they need, each after what it needs (modules.dep lists the nearest need first)."""
    needs, builtin, before = {}, set(), _wanted_before(kernel)
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[_module_name(path)] = (path, rest.split())
    for line in (kernel.modules / "modules.builtin").read_text().splitlines():
        builtin.add(_module_name(line))
    order = []

    def add(name):
        if name in builtin:
            return
        if name not in needs:
            raise HarnessError(f"kernel {kernel.release} has no module {name}")
        path, after = needs[name]
        for need in [*before.get(name, []), *map(_module_name, reversed(after))]:
            add(need)
        if path not in order:
            order.append(path)

    for name in WANTED + (WANTED_FOR_ROOT if keep_root else ()):
        add(name)
    return order


def static_nodes(kernel):
    """Nodes that load their module when they are opened (loop-control, btrfs-control, fuse, …): name, mode, numbers."""
    kinds = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}
    for line in (kernel.modules / "modules.devname").read_text().splitlines():
        if not line.startswith("#"):
            _module, name, numbers = line.split()
            major, minor = numbers[1:].split(":")
            yield name, kinds[numbers[0]] | 0o600, (int(major), int(minor))


class _Archive:
    def __init__(self):
        self.data = bytearray()
        self.inode = 0

    def add(self, name, mode, content=b"", device=(0, 0)):
        self.inode += 1
        path = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, device[0], device[1], len(path), 0)
        self.data += b"070701" + b"".join(b"%08X" % f for f in fields) + path
        self._pad()
        self.data += content
        self._pad()

    def _pad(self):
        self.data += b"\0" * (-len(self.data) % 4)

    def end(self):
        """The end of an archive (TRAILER!!!) is left out: the kernel takes the image's, and what comes last may change."""
        self.add("beside-the-firmware", 0o100600, bytes(BESIDE_THE_FIRMWARE))
        return bytes(self.data)


def make(kernel, keep_root=False):
    archive = _Archive()
    for folder in ("bin", "dev", "proc", "sys", "modules", "host", "vm", "upper", "root"):
        archive.add(folder, 0o040755)
    archive.add("dev/console", 0o020600, device=(5, 1))
    archive.add("bin/busybox", 0o100755, BUSYBOX.read_bytes())
    archive.add("init", 0o100755, (VM / "guest" / "init").read_bytes())
    archive.add("nodes", 0o040755)
    folders = {"."}
    for name, mode, numbers in static_nodes(kernel):
        folder = str(pathlib.PurePath(name).parent)
        if folder not in folders:
            folders.add(folder)
            archive.add(f"nodes/{folder}", 0o040755)
        archive.add(f"nodes/{name}", mode, device=numbers)
    sums = ""
    for number, path in enumerate(load_order(kernel, keep_root)):
        name, content = f"modules/{number:02d}-{pathlib.PurePath(path).name}", (kernel.modules / path).read_bytes()
        archive.add(name, 0o100644, content)
        sums += f"{hashlib.sha256(content).hexdigest()}  /{name}\n"
    archive.add("sums", 0o100644, sums.encode())
    return archive.end()
