# SPDX-License-Identifier: GPL-2.0
"""Other systems than this machine's own: releases of Debian, each a folder that debootstrap made.

A program runs "in" a system natively: on this machine's kernel, chrooted, in a mount namespace of its own. It finds the checkout
where it is, but build/ there is the system's own (build/systems/NAME on this machine), and so are the caches. So every script of
the checkout does in a system what it does on a machine with that system: tests/vm/run builds with its compilers, fetches its
kernels, and boots guests whose root it is.

    CACHE/roots/NAME/base/       what debootstrap made, and the package lists
    CACHE/roots/NAME/root/       a copy of it with the packages of tools/install-deps
    CACHE/roots/NAME/made        says of what it was made; written last

Invariant: a root does not change under a program that runs in it, but by that program: whoever runs in it holds its lock
shared, whoever makes it anew holds it alone.
"""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

from .common import BUILD, HarnessError, ROOT, cache_dir, install, run, say

INSIDE = "ZUMASTOR_SYSTEM"  # the environment's word for the system that a program runs in
HOST = "host"  # this machine's own
GROUPS = ("build", "kernel", "vm", "test", "package", "system")  # of tools/install-deps, in every made system


@dataclasses.dataclass(frozen=True)
class System:
    suite: str
    beside: tuple = ()  # further suites of the same archive
    security: str = ""  # the suite of the archive of security updates
    options: str = ""  # of apt, for all its sources


# What docs/platforms.md is about. "testing" is a moving target and is only compiled on; a copy of its archive may be older than
# its signature says it may be, and serves for that.
SYSTEMS = {
    "debian12": System("bookworm", ("bookworm-updates",), "bookworm-security"),
    "debian13": System("trixie", ("trixie-updates", "trixie-backports"), "trixie-security"),
    "testing": System("testing", options="[check-valid-until=no] "),
}

# Mounts, then the command. It is replaced by the command in the end, so that a signal to its process reaches that.
ENTER = """
set -eu
root=$1 checkout=$2 build=$3 folder=$4
shift 4
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount --bind /tmp tmp
mkdir -p ".$checkout"
mount --bind "$checkout" ".$checkout"
mkdir -p ".$checkout/build"
mount --bind "$build" ".$checkout/build"
rm -f etc/resolv.conf
cat /etc/resolv.conf >etc/resolv.conf
exec chroot . /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$folder" "$@"
"""


def inside():
    """The name of the system that this program runs in."""
    return os.environ.get(INSIDE, HOST)


def release():
    """The name, in SYSTEMS, of the release that this program runs on; None if it is another."""
    if inside() != HOST:
        return inside()
    with open("/etc/os-release", encoding="utf-8") as file:
        words = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    codename = words.get("VERSION_CODENAME", "").strip('"')
    return next((name for name, system in SYSTEMS.items() if system.suite == codename), None)


def build_folder(name):
    """Where this machine has what a system's programs see as the checkout's build/."""
    return BUILD if name == inside() else BUILD / "systems" / name


def _home(name):
    return cache_dir() / "roots" / name


@contextlib.contextmanager
def _lock(name, alone):
    _home(name).mkdir(parents=True, exist_ok=True)
    with open(_home(name) / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield lock


# --- making one ---------------------------------------------------------------------------------------------------------

def _repository(codename):
    """The address that this machine's apt has a suite from."""
    shown = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {codename}",
                 "Component: main"]).split()
    return shown[0] if shown else None


def _mirror():
    """The addresses of Debian's archive and of its security updates, as this machine's apt has them."""
    own = SYSTEMS.get(release() or "", System(""))
    archive = _repository(own.suite) if own.suite else None
    if archive is None:
        raise HarnessError("making a system: this machine's apt has no source of its own Debian release to take an archive's "
                           "address from\n(run apt-get update, and try again)")
    return archive, _repository(own.security) if own.security else None


def _sources(system, archive, security):
    suites = [(archive, suite) for suite in (system.suite, *system.beside)]
    if system.security and security:
        suites.append((security, system.security))
    return "".join(f"deb {system.options}{address} {suite} main\n" for address, suite in suites)


def _made_of(name):
    """The sources of its packages, for others of which it is made anew; and the packages, of which it gets what it lacks."""
    groups = run([ROOT / "tools" / "install-deps", "--list"])
    wanted = "".join(line + "\n" for line in groups.splitlines() if line.split(":")[0] in GROUPS)
    return f"{_sources(SYSTEMS[name], *_mirror())}\n{wanted}"


def _debootstrap(name, base):
    system = SYSTEMS[name]
    archive, security = _mirror()
    say(f"making a system {name} (Debian {system.suite}) by debootstrap, in {base.parent}")
    with open(base.parent / "debootstrap.log", "wb") as log:
        status = subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", system.suite, base, archive],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        raise HarnessError(f"making the system {name}: debootstrap ended with {status}; the whole log: {log.name}\n"
                           f"{_last_lines(log.name)}\nIs the archive {archive} reached? Then try again.")
    (base / "etc/apt/sources.list").write_text(_sources(system, archive, security))
    # Nothing that a package starts is started: this machine's kernel is not the system's.
    policy = base / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    (base / "etc/apt/apt.conf.d/90zumastor").write_text('APT::Sandbox::User "root";\n')
    # It can be made anew: no waiting for the disk after every file.
    (base / "etc/dpkg/dpkg.cfg.d/90zumastor").write_text("force-unsafe-io\n")
    _run_in(name, base, ["apt-get", "-qq", "update"])


def _last_lines(path, count=5):
    return "\n".join(pathlib.Path(path).read_text(errors="replace").splitlines()[-count:])


def _run_in(name, root, argv, folder="/"):
    done = subprocess.run(_argv(name, root, argv, folder), env=_environment(name), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode:
        raise HarnessError(f"in the system {name}: {' '.join(map(str, argv))}\nended with status {done.returncode}; "
                           f"its last lines:\n" + "\n".join(done.stdout.splitlines()[-20:]))


def _copy(source, target):
    run(["cp", "-a", "--reflink=auto", source, target])


def _start_anew(name, home):
    """base and root, the same as yet."""
    for folder in ("scratch", "root", "base"):
        if (home / folder).exists():
            shutil.rmtree(home / folder)
    _debootstrap(name, home / "scratch")
    (home / "scratch").rename(home / "base")
    _copy(home / "base", home / "root")


def make(name, anew=False):
    """The system's root, made if it is not there, or is not made of what it should be, or if it is to be made anew."""
    _check(name)
    if not install("fresh"):
        raise HarnessError(f"the system {name} cannot be made: debootstrap is not there")
    home = _home(name)
    wanted = _made_of(name)
    mark = home / "made"
    with _lock(name, False):
        if not anew and mark.exists() and mark.read_text() == wanted:
            return home / "root"
    with _lock(name, True):
        before = mark.read_text() if mark.exists() and not anew else None
        if before == wanted:
            return home / "root"  # another was quicker
        mark.unlink(missing_ok=True)
        if before is None or before.split("\n\n")[0] != wanted.split("\n\n")[0]:
            _start_anew(name, home)
        say(f"installing the packages of tools/install-deps {' '.join(GROUPS)} in {name}")
        _run_in(name, home / "root", [ROOT / "tools" / "install-deps", *GROUPS])
        _run_in(name, home / "root", ["apt-get", "clean"])
        mark.write_text(wanted)
    return home / "root"


def _check(name):
    if name not in SYSTEMS:
        raise HarnessError(f"no system '{name}' (there are: {', '.join(SYSTEMS)})")
    if os.geteuid() != 0:
        raise HarnessError(f"the system {name}: making it and running in it take root (sudo)")


# --- running in one -----------------------------------------------------------------------------------------------------

def _argv(name, root, argv, folder, build=None):
    build = build or build_folder(name)
    build.mkdir(parents=True, exist_ok=True)
    return ["unshare", "--mount", "sh", "-c", ENTER, "enter", *map(str, (root, ROOT, build, folder, *argv))]


def _environment(name):
    """The caller's, less what is about this machine's own folders and programs."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(("XDG_", "ZUMASTOR_VM_", "LD_", "PYTHON", "PYENV", "CMAKE_", "DPKG_", "DEB_"))
            and key not in ("HOME", "PATH", "TMPDIR", "LANG", "MAKEFLAGS", "CC", "CXX", "CFLAGS", "CXXFLAGS")}
    return kept | {INSIDE: name, "HOME": "/root", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
                   "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def build_programs(name, preset):
    """What tests/vm/run has in its guests' PATH, as far as it is not built yet in the system."""
    root = make(name)
    with _lock(name, False):
        _run_in(name, root, [ROOT / "tools" / "build-tree", preset, "--", "--target", "ddsnapd", "ddsnap", "zumastor"])


def _folder():
    """Where a command is to run: the caller's folder, if it is below the checkout."""
    here = pathlib.Path(os.getcwd())
    return here if here.is_relative_to(ROOT) else "/"


def enter(name, argv):
    """Replaces this program by another one in a system."""
    _check(name)
    if inside() != HOST:
        raise HarnessError(f"this is the system {inside()} already: {name} is entered from the machine's own")
    root = make(name)
    lock = os.open(_home(name) / ".lock", os.O_RDWR)  # not closed at exec: held until the last process has ended
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.set_inheritable(lock, True)
    words = _argv(name, root, argv, _folder())
    os.execvpe(words[0], words, _environment(name))


def run_fresh(name, argv):
    """Runs a command in a system that holds nothing else, with an empty build/; both are gone afterwards. Returns its status."""
    make(name)
    place = pathlib.Path(tempfile.mkdtemp(prefix=".fresh-", dir=_home(name).parent))
    try:
        with _lock(name, False):
            _copy(_home(name) / "base", place / "root")
        words = _argv(name, place / "root", argv, _folder(), place / "build")
        return subprocess.run(words, env=_environment(name), check=False).returncode
    finally:
        shutil.rmtree(place)
