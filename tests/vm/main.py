# SPDX-License-Identifier: GPL-2.0
"""Runs a command in a virtual machine that has a kernel with device-mapper and with dm-ddsnap.

The guest boots the distribution's own kernel under QEMU's emulation. Its root is the host's, read-only, under a layer in
memory: every program and file of the host is there, and nothing that the guest writes reaches the host but through
$RESULTS. See tests/vm/README.md.
"""

import argparse
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import stat
import sys

from lib import debug_kernels, hostroot, initramfs, kernels, klog, module, peers, rundir, session, systems
from lib.common import BUILD, HarnessError, ROOT, VM, cache_dir, install, last_words, locked, run, say, step
from lib.guest import Guest, MAX_DISKS, Settings

EXIT_USAGE = 2
EXIT_SHUT_DOWN = 94
EXIT_POWER_CUT = 95
EXIT_HARNESS = 96
EXIT_KERNEL_LOG = 99
EXIT_TIMEOUT = 124

MAX_HOSTS = 8

EPILOG = f"""\
exit status:
  the command's own, exactly (128 + N if signal N ended it), unless one of these takes its place:
  {EXIT_SHUT_DOWN}   the guest was shut down in order, as asked for (vm-shutdown in the guest)
  {EXIT_POWER_CUT}   the power was cut, as asked for (--power-cut, or vm-power-cut in the guest)
  {EXIT_HARNESS}   the guest did not boot, or ended without saying how the command did; or the harness failed
  {EXIT_KERNEL_LOG}   the guest's kernel complained (BUG, WARNING, oops, hung task, a program's segmentation fault, …),
       whatever the command said
  {EXIT_TIMEOUT}  the command took longer than --timeout

in the guest:
  $RESULTS (/results), $DISKS ("/dev/vda /dev/vdb …"), $ZUMASTOR_ROOT (this checkout), $VM_SLOWNESS (limits of time
  are to be multiplied with it); the programs of build/PRESET first in $PATH, `modprobe dm-ddsnap` works; vm-mark,
  vm-power-cut [SECONDS] and vm-shutdown speak to this program.
"""


def size(text):
    match = re.fullmatch(r"(\d+)([KMGT]?)(i?B)?", text.strip(), re.I)
    if not match or int(match.group(1)) == 0:
        raise argparse.ArgumentTypeError(f"not a size: {text!r} (like 512M)")
    return int(match.group(1)) << 10 * " KMGT".index(match.group(2).upper() or " ")


def throttle(text):
    limits = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in ("iops", "bps") or not value:
            raise argparse.ArgumentTypeError(f"not a throttle: {part!r} (iops=N,bps=N)")
        limits[name] = int(value) if name == "iops" else size(value)
    return limits


def seconds_range(text):
    low, _, high = text.partition("-")
    try:
        found = float(low), float(high or low)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not seconds: {text!r} (like 3 or 0.5-4)") from None
    if not 0 <= found[0] <= found[1]:
        raise argparse.ArgumentTypeError(f"not a range of seconds: {text!r}")
    return found


def assignment(text):
    if not re.match(r"[A-Za-z_]\w*=", text):
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text!r}")
    return text


def add_disks(add):
    add("--disks", type=int, default=2, metavar="N", help="empty disks /dev/vda, /dev/vdb, … (default 2)")
    add("--disk-size", type=size, default=size("1G"), metavar="SIZE", help="of each (default 1G; sparse)")
    add("--sector-size", type=int, default=512, choices=(512, 4096), help="logical and physical (default 512)")
    add("--disk-dir", type=pathlib.Path, metavar="DIR", help="make the disks' images under DIR instead of in memory")
    add("--keep-disks", type=pathlib.Path, metavar="DIR",
        help="use the images DIR/vda.img …, make those that are not there, and keep all for the next run")
    add("--keep-root", action="store_true",
        help="keep what the guest writes to its root for the next run, too (one host; with --keep-disks)")
    add("--view", type=pathlib.Path, action="append", default=[], metavar="FILE",
        help="one disk more, after the empty ones: the disk image FILE as it is; what a guest writes to it is gone afterwards")
    add("--preallocate", action="store_true", help="disks that are not sparse (for benchmarks)")
    add("--throttle", type=throttle, default={}, metavar="iops=N,bps=N", help="limit each disk; bps takes K, M, G")


def add_machine(add):
    add("--mem", default="2G", metavar="SIZE", type=size,
        help="the guest's memory (default 2G; debug kernels get what they need besides)")
    add("--smp", type=int, default=1, metavar="N",
        help="its processors (default 1, which is the quickest; more for what is about things that happen at once)")
    add("--system", default=systems.inside(), choices=(systems.HOST, *systems.SYSTEMS), metavar="NAME",
        help=f"the guest's root, its programs, compilers and kernels are this Debian's ({', '.join(systems.SYSTEMS)}; default: "
             "this machine's own); made the first time (tests/vm/system)")
    add("--kernel", default=os.environ.get("VM_KERNEL"), metavar="NAME",
        help="default $VM_KERNEL, else the system's usual one; debug-…: with the kernel's own checkers (tests/vm/kernel build); "
             + "; ".join(f"{name}: {', '.join(found)}" for name, found in kernels.RELEASES.items()))
    add("--cmdline", default="", metavar="ARGS", help="more arguments for the kernel, e.g. idle=poll")
    add("--hosts", type=int, default=1, metavar="N",
        help="guests host1 … hostN on one private network, each with its own disks; the command runs on host1, whose root "
             "reaches root on the others with ssh, by name")
    add("--systemd", action="store_true",
        help="systemd is process 1 and boots to multi-user.target, with nothing enabled; the command runs in a unit of it")
    add("--module-sources", type=pathlib.Path, default=module.SOURCES, metavar="DIR",
        help="build dm-ddsnap from DIR, a changed copy of kernel/, instead; what is built is there, too")
    add("--no-module", action="store_true", help="do not build dm-ddsnap; the guest does without")
    add("--update-kernels", action="store_true", help="look for a newer build of the kernel than the cached one first")


def add_command(add):
    add("--timeout", type=float, default=600, metavar="S",
        help="for the command, from its start (default 600; the boot has a limit of its own); "
             f"with debug kernels {debug_kernels.SLOWNESS} times as long")
    add("--power-cut", type=seconds_range, metavar="S[-S]",
        help="kill the guest so many seconds (a random moment in the range) after the command calls vm-mark")
    add("--results", type=pathlib.Path, metavar="DIR", help="a folder of the host, writable in the guest as $RESULTS")
    add("--kernel-log", type=pathlib.Path, metavar="FILE", help="keep the guest's kernel log there")
    add("--env", type=assignment, action="append", default=[], metavar="NAME=VALUE", help="for the command")
    add("--preset", default="release", help="whose programs are in the guest's PATH (default release)")
    add("--verbose", action="store_true", help="say how long the boot and the command took")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)


def check_options(parser, options):
    if options.command[:1] == ["--"]:
        del options.command[0]
    if not options.command:
        parser.error("no command: put it after --")
    known = kernels.names(options.system)
    options.kernel = options.kernel or known[0]
    if options.kernel not in known:
        where = "here" if options.system == systems.HOST else f"on {options.system}"
        others = [name for name, found in kernels.RELEASES.items() if options.kernel in found]
        parser.error(f"no kernel '{options.kernel}' {where} (there are: {', '.join(known)})"
                     + "".join(f"; --system {name} has it" for name in others))
    if options.keep_root and (not options.keep_disks or options.hosts > 1):
        parser.error("--keep-root goes with --keep-disks, and one host")
    if not 0 <= options.disks <= MAX_DISKS - len(options.view) - options.keep_root:
        parser.error(f"--disks goes from 0 to {MAX_DISKS}, views included")
    if not (options.module_sources / "Makefile").is_file() and options.module_sources != module.SOURCES:
        parser.error(f"--module-sources: {options.module_sources} is no copy of kernel/ (it has no Makefile)")
    for image in options.view:
        if not image.is_file():
            parser.error(f"--view: {image} is no disk image")
    if not 1 <= options.hosts <= MAX_HOSTS:
        parser.error(f"--hosts goes from 1 to {MAX_HOSTS}")


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="tests/vm/run", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="tests/vm/run [options] -- COMMAND [ARGUMENT…]", allow_abbrev=False)
    for add_options in (add_disks, add_machine, add_command):
        add_options(parser.add_argument)
    options = parser.parse_args(argv)
    check_options(parser, options)
    return options


# --- what the guest gets to see of this run ---

def supervisor():
    """guest/supervise.c, compiled once (statically: cheaper to start for an emulated processor)."""
    source, program = VM / "guest" / "supervise.c", BUILD / "vm" / "supervise"
    with locked(BUILD / "vm" / ".lock"):
        if not program.exists() or program.stat().st_mtime_ns < source.stat().st_mtime_ns:
            scratch = program.with_suffix(".tmp")
            run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", scratch, source])
            scratch.rename(program)
    return program


def programs(preset):
    """The freshly built programs: executables directly in build/PRESET/ddsnapd and …/tools."""
    for folder in ("ddsnapd", "tools"):
        place = BUILD / preset / folder
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            mode = path.stat().st_mode
            if stat.S_ISREG(mode) and mode & stat.S_IXUSR:
                yield path


def hidden_in_guest(path):
    """Whether the guest has something of its own where the host has this path."""
    return any(path.is_relative_to(p) for p in ("/tmp", "/run", "/dev", "/results"))


def resolve_command(command):
    """A path that is relative to the host's working folder means the same file in the guest."""
    if "/" in command[0]:
        return [str(pathlib.Path(command[0]).absolute()), *command[1:]]
    return command


def fill_share(share, options, tree, number=1, keys=None):
    """`number`: of the host. `keys`: a folder with those of a network, if there is one."""
    (share / "bin").mkdir()
    # Copies: a build that goes on beside this run must not change a program under a guest's feet.
    for path in [*programs(options.preset), *sorted((VM / "bin").iterdir())]:
        shutil.copy2(path, share / "bin" / path.name)
    for name in ("start", "ready", *(["boot-systemd"] if options.systemd else [])):
        shutil.copy2(VM / "guest" / name, share / name)
    shutil.copy2(supervisor(), share / "supervise")

    if keys:
        shutil.copy2(VM / "guest" / "network", share / "network-up")
        shutil.copy2(VM / "guest" / "peer", share / "peer")
        peers.write_network(share, number, options.hosts, keys)
    command = resolve_command(options.command) if number == 1 else ["/run/vm/peer"]
    strings = [os.getcwd(), *command]
    (share / "command").write_bytes(b"".join(os.fsencode(s) + b"\0" for s in strings))
    disks = " ".join(f"/dev/vd{chr(ord('a') + n)}" for n in range(options.disks + len(options.view)))
    environment = ["RESULTS=/results", f"DISKS={disks}", f"ZUMASTOR_ROOT={ROOT}", f"ZUMASTOR_PRESET={options.preset}",
                   f"VM_SLOWNESS={options.slowness}",
                   *options.env]
    (share / "environment").write_bytes(b"".join(os.fsencode(s) + b"\0" for s in environment))

    places = {ROOT, cache_dir(), pathlib.Path(os.getcwd())}
    if command[0].startswith("/"):
        places.add(pathlib.Path(command[0]).parent)
    shown = sorted(p for p in places if hidden_in_guest(p) and p.is_dir())
    shown = [p for p in shown if not any(p != q and p.is_relative_to(q) for q in shown)]
    (share / "show-read-only").write_text("".join(f"{p}\n" for p in shown))
    (share / "modules").write_text(f"{tree}\n")
    (share / "hostname").write_text(f"{peers.name_of(number)}\n")
    (share / "slowness").write_text(f"{options.slowness}\n")
    features = {"results": options.results and number == 1, "systemd": options.systemd}
    (share / "features").write_text("".join(f"{name}\n" for name, wanted in features.items() if wanted))
    if options.keep_disks:
        (share / "sync-at-end").touch()
    if options.keep_root:
        (share / "root-disk").write_text(f"/dev/vd{chr(ord('a') + options.disks + len(options.view))}\n")


# --- the run ---

def exit_status(outcome, log_text, options):
    """The exit status, and on stderr the reason for any but the command's own."""
    found = klog.findings(log_text[:outcome.asked_at])
    if found:
        if outcome.timed_out:
            say(f"({outcome.timed_out} took too long)")
        elif outcome.status is not None:
            say(f"(the command's status was {outcome.status})")
        say(complaint(found, log_text, peers.name_of(1), outcome.complained))
        return EXIT_KERNEL_LOG
    if outcome.power_cut:
        return EXIT_POWER_CUT
    if outcome.timed_out:
        say(late(outcome, log_text, peers.name_of(1), options))
        return EXIT_TIMEOUT if outcome.timed_out in ("the command", "the guest's shutdown") else EXIT_HARNESS
    if outcome.shut_down and outcome.status is None:
        return EXIT_SHUT_DOWN
    if outcome.status is None:
        end = f"the end of its kernel log:\n{tail(log_text, 60)}"
        if outcome.complaints:
            raise HarnessError(last_words(outcome.complaints), step="running the guest in QEMU",
                               detail=f"{end}\n{outcome.complaints}",
                               remedy="see that the host has that much memory free, or ask for less with --mem")
        raise HarnessError("QEMU ended, or was ended, without a word about the command", step="running the guest in QEMU",
                           remedy="see whether the host was short of memory (dmesg), and run the same command again", detail=end)
    if options.power_cut:
        say("the command ended before the power was cut (did it call vm-mark?)")
    return outcome.status


def complaint(found, log_text, name, ended=False):
    """The error that something bad in a kernel's log is."""
    died = "".join(f"\non {name}, {fault}" for fault in klog.faults(log_text))
    return HarnessError(found[0][1].strip(), step=f"running the guest {name}",
                        remedy="see the kernel's words above; if dm-ddsnap is in them, it is a bug: please report them",
                        detail=f"the kernel of {name} complained ({len(found)} lines{', and was ended' if ended else ''}):\n"
                        f"{klog.excerpt(log_text, found)}{died}")


# What to do when it took too long.
BUSY = "see the kernel log's end above; end other work on this machine (uptime says how much), and run the same command again"
LATE = {"the command": "see above what its tasks waited for; end other work on this machine, or give it longer with --timeout"}


def late(outcome, log_text, name, options):
    """The error that a time-out is."""
    kept = f"; all of it: {options.kernel_log}" if options.kernel_log else ""
    return HarnessError(f"{outcome.timed_out} took longer than {outcome.allowed:.0f} s",
                        step=f"{outcome.timed_out}, {name}", remedy=LATE.get(outcome.timed_out, BUSY),
                        detail=f"the end of the kernel log of {name}{kept}:\n{tail(log_text, 120)}")


def tail(text, count):
    return "\n".join(text.splitlines()[-count:])


def settings_of(options, kernel, small_root, share, images, number, network):
    return Settings(
        kernel=kernel, initramfs=small_root, share=share,
        disks=rundir.make_disks(images, options.disks, options.disk_size, options.preallocate),
        views=[image.resolve() for image in options.view],
        root=rundir.make_root(images / "root.img") if options.keep_root else None,
        results=options.results.resolve() if options.results and number == 1 else None,
        memory=f"{options.mem >> 20}M", processors=options.smp, throttle=options.throttle,
        sector_size=options.sector_size, cmdline=options.cmdline, name=peers.name_of(number), number=number,
        network=network)


def start_peers(others, options, kernel, tree, folder, small_root, keys, network):
    for number in range(2, options.hosts + 1):
        name = peers.name_of(number)
        share = folder.path / name / "share"
        share.mkdir(parents=True, mode=0o755)
        fill_share(share, options, tree, number, keys)
        images = options.keep_disks / name if options.keep_disks else folder.path / name / "disks"
        settings = settings_of(options, kernel, small_root, share, images, number, network)
        # The first guest's boot comes before its command: the others must outlive both.
        others.add(name, settings, folder.path / name / "kernel.log", options.timeout + session.BOOT_LIMIT * kernel.slowness)


def keep_log(options, log_path, suffix=""):
    if options.kernel_log and log_path.exists():
        options.kernel_log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log_path, f"{options.kernel_log}{suffix}")


def exit_status_with_peers(others, options, status):
    """A complaint of another guest's kernel fails the run, too."""
    for peer in others.all:
        keep_log(options, peer.log_path, f".{peer.name}")
        text = peer.log_path.read_bytes().decode("latin-1")
        found = klog.findings(text)
        if found:
            say(complaint(found, text, peer.name))
            status = EXIT_KERNEL_LOG
        elif peer.outcome and peer.outcome.timed_out:
            say(late(peer.outcome, text, peer.name, options))
            status = status or EXIT_HARNESS
        elif peer.error:
            say(peer.failure())
            status = status or EXIT_HARNESS
    return status


def boot(options, kernel, tree, folder):
    keys, network = None, None
    if options.hosts > 1:
        keys, network = folder.path / "keys", peers.free_port()
        peers.make_keys(keys)
    fill_share(folder.share, options, tree, 1, keys)
    small_root = folder.path / "initramfs"
    small_root.write_bytes(initramfs.make(kernel, options.keep_root))
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
    guest = Guest(settings_of(options, kernel, small_root, folder.share, options.keep_disks or folder.path / "disks", 1,
                              network))
    log_path = folder.path / "kernel.log"
    others = peers.Peers()
    try:
        start_peers(others, options, kernel, tree, folder, small_root, keys, network)
        others.wait_until_booted()
        with open(log_path, "wb") as log:
            outcome = session.Session(guest, log, options.timeout, options.power_cut).run()
    finally:
        guest.close()
        others.stop()
        keep_log(options, log_path)
    if options.verbose and outcome.booted_after is not None:
        took = f", the command {outcome.command_seconds:.1f} s" if outcome.command_seconds is not None else ""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)  # more than the emulator's only if the module was built, too
        say(f"kernel {kernel.release}: booted in {outcome.booted_after:.1f} s{took}; "
            f"{used.ru_utime + used.ru_stime:.1f} s of processor time")
    # One character a byte, so that places in the one are places in the other.
    return exit_status_with_peers(others, options, exit_status(outcome, log_path.read_bytes().decode("latin-1"), options))


class Interrupted(Exception):
    pass


def on_signal(number, _frame):
    signal.signal(number, signal.SIG_IGN)
    raise Interrupted(number)


def main():
    options = parse(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    folder = None
    try:
        if options.system != systems.inside():
            systems.build_programs(options.system, options.preset)
            systems.enter(options.system, [ROOT / "tests" / "vm" / "run", *sys.argv[1:]])
        if not install("vm", "kernel"):
            return EXIT_HARNESS
        rundir.has_room(options)
        kernel = kernels.get(options.kernel, options.update_kernels)
        options.slowness = kernel.slowness
        options.timeout *= kernel.slowness
        options.mem = kernel.memory(options.mem)
        with step("building the module"):
            tree = module.module_tree(kernel, not options.no_module, options.module_sources.resolve())
        with step("starting the guest", "free some room there, or name another folder with --disk-dir"):
            folder = rundir.RunDir(options.disk_dir or rundir.default_parent())
        with hostroot.unchanged():
            return boot(options, kernel, tree, folder)
    except HarnessError as error:
        say(error)
        return EXIT_HARNESS
    except BrokenPipeError:  # nobody listens any more
        return 128 + signal.SIGPIPE
    except Interrupted as interrupted:
        say(f"ended by signal {interrupted.args[0]} ({shlex.join(options.command)})")
        return 128 + interrupted.args[0]
    finally:
        if folder:
            folder.remove()


if __name__ == "__main__":
    sys.exit(main())
