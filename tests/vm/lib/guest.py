# SPDX-License-Identifier: GPL-2.0
"""One guest: its settings, its QEMU command line, and the process with the sockets that lead into it.

Everything between QEMU and the harness goes through socket pairs made here and inherited by QEMU: no names to collide
when several runs go on at once, nothing to connect to, and an end of file on all of them when QEMU is gone.
"""

import ctypes
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess

from . import tsc
from .common import HarnessError
from .kernels import Kernel

QEMU = "qemu-system-x86_64"
MAX_DISKS = 24  # as many as the root bus has slots for, less what else is on it

# quiet …=5: during the boot the serial line carries only warnings; guest/start opens it up afterwards.
# The detectors of stalls are set to limits that a guest under emulation keeps on a busy machine (see klog.py).
# An oops ends the guest at once: what it would do afterwards says nothing.
CMDLINE = ("console=ttyS0 quiet loglevel=5 panic=-1 oops=panic nokaslr mitigations=off no_timer_check tsc=reliable "
           "cryptomgr.notests random.trust_cpu=on rcupdate.rcu_cpu_stall_timeout=120 rcupdate.rcu_exp_cpu_stall_timeout=120000 "
           "watchdog_thresh=60 nmi_watchdog=0 workqueue.watchdog_thresh=120 "
           "hung_task_panic=0 sysrq_always_enabled=1 log_buf_len=4M")


@dataclasses.dataclass
class Settings:
    kernel: Kernel
    initramfs: pathlib.Path
    share: pathlib.Path  # read-only in the guest at /run/vm
    disks: list  # image files: /dev/vda, /dev/vdb, …
    views: list = dataclasses.field(default_factory=list)  # images that stay as they are: the disks after these
    root: pathlib.Path | None = None  # the disk after those, for what the guest writes to its root
    results: pathlib.Path | None = None
    memory: str = "2G"
    processors: int = 1
    throttle: dict = dataclasses.field(default_factory=dict)  # "iops" and "bps": totals for each disk
    sector_size: int = 512
    cmdline: str = ""
    name: str = "host1"
    number: int = 1
    network: int | None = None  # port of the multicast group that is the guests' network


class Guest:
    PORTS = ("serial", "out", "err", "control", "qmp")

    def __init__(self, settings):
        self.settings = settings
        self.sockets = {}
        self.process = None

    def start(self):
        theirs = {}
        for port in self.PORTS:
            self.sockets[port], theirs[port] = socket.socketpair()
        argv = self._command({port: end.fileno() for port, end in theirs.items()})
        try:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.PIPE, pass_fds=[end.fileno() for end in theirs.values()],
                                            preexec_fn=_in_the_child)
        except FileNotFoundError as error:
            raise HarnessError(f"there is no program {QEMU}", remedy="as root: tools/install-deps vm") from error
        finally:
            for end in theirs.values():
                end.close()
        self.sockets["complaints"] = self.process.stderr
        self._qmp("qmp_capabilities")

    def _qmp(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        try:
            self.sockets["qmp"].sendall(json.dumps(message).encode())
        except OSError:
            pass  # QEMU has ended; whoever waits for it finds out by the end of file

    def show_blocked_tasks(self):
        """Magic sysrq over the serial line (a break, then the letter): works as long as the kernel takes interrupts."""
        for letter in (b"w", b"l"):
            self._qmp("chardev-send-break", id="serial")
            yield
            try:
                self.sockets["serial"].sendall(letter)
            except OSError:
                return
            yield

    def kill(self):
        """As a power cut does it. Returns when the process is gone, so that nothing is written any more."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.kill()
        for end in self.sockets.values():
            end.close()

    def _kernel_command_line(self):
        clock = f" tsc_early_khz={tsc.kilohertz()}" if tsc.kilohertz() else ""
        return f"{CMDLINE}{clock} {self.settings.cmdline}".strip()

    def _command(self, fds):
        s = self.settings
        # erms: programs and kernel would copy and clear with "rep movsb", which is the quickest there is on a processor, and in
        # emulation goes byte by byte: two to four times as long as the way they have for processors without it.
        argv = [QEMU, "-name", f"zumastor-{s.name}", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                "-machine", "q35,hpet=off,usb=off,sata=off,vmport=off,smm=off,graphics=off",
                "-accel", "tcg,thread=multi", "-cpu", "max,-erms", "-smp", str(s.processors), "-m", s.memory,
                "-kernel", s.kernel.image, "-initrd", s.initramfs, "-append", self._kernel_command_line(),
                "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"]
        for port in self.PORTS:
            argv += ["-chardev", f"socket,id={port},fd={fds[port]}"]
        argv += ["-serial", "chardev:serial", "-mon", "chardev=qmp,mode=control",
                 "-device", "virtio-serial-pci,id=ports,max_ports=8"]
        for number, port in enumerate(("out", "err", "control"), 1):  # 0 is a console's
            argv += ["-device", f"virtserialport,bus=ports.0,nr={number},chardev={port},name=vm.{port}"]
        argv += self._folder("host", "/", True) + self._folder("vm", s.share, True)
        if s.results:
            argv += self._folder("results", s.results, False)
        for number, image in enumerate([*s.disks, *s.views]):
            argv += self._disk(number, image, number >= len(s.disks))
        if s.root:
            argv += self._disk(len(s.disks) + len(s.views), s.root, False)
        if s.network:
            argv += ["-netdev", f"socket,id=net,mcast=230.0.0.1:{s.network},localaddr=127.0.0.1",
                     "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:00:00:{s.number:02x},romfile="]
        return [str(a) for a in argv]

    @staticmethod
    def _folder(tag, path, readonly):
        flags = f"security_model=none,multidevs=remap{',readonly=on' if readonly else ''}"
        return ["-fsdev", f"local,id={tag},path={_escape(path)},{flags}",
                "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]

    def _disk(self, number, image, view):
        s = self.settings
        name = f"vd{chr(ord('a') + number)}"
        drive = f"if=none,id={name},file={_escape(image)},format=raw,cache=writeback,aio=threads,discard=unmap"
        if view:
            drive += ",snapshot=on"  # into a file of QEMU's own, which has no name
        for what, key in (("iops", "iops-total"), ("bps", "bps-total")):
            if what in s.throttle:
                drive += f",throttling.{key}={s.throttle[what]}"
        device = f"virtio-blk-pci,drive={name},serial={name}"
        if s.sector_size != 512:
            device += f",logical_block_size={s.sector_size},physical_block_size={s.sector_size}"
        return ["-drive", drive, "-device", device]


def _escape(path):
    return str(path).replace(",", ",,")  # the comma separates options


def _in_the_child():
    """QEMU ends with the harness, however that ends, and a Ctrl-C at the terminal is the harness's to handle."""
    os.setpgid(0, 0)
    pr_set_pdeathsig = 1
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0) != 0:
        raise HarnessError("prctl(PR_SET_PDEATHSIG) failed")
