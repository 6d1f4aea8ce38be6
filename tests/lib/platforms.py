# SPDX-License-Identifier: GPL-2.0
"""The checks of other systems than this machine's own (tests/vm/system), by programs that run in these.

A plain run has a selection of them, on the stable Debian that this machine has not: the programs and their unit tests, the module
on each of its kernels, the packages, and the main job on the newest kernel. `tests/run --system NAME` is everything on one system,
`tests/vm/campaign platforms` everything on all.
"""

import functools
import os
import subprocess

from . import checks
from .checks import BUILD, Check, ROOT, Result, ctest_result
from .execute import execute

SYSTEM = ROOT / "tests" / "vm" / "system"
STABLE = ("debian12", "debian13")  # what a plain run is about
GUESTS = ("quickstart", "kernel-origin", "kernel-snapshot", "e2e-kill-daemon")  # on the newest kernel of the other system
HOSTS = ("packages-quick",)


def inside():
    """The system that this program runs in, or "host"."""
    return os.environ.get("ZUMASTOR_SYSTEM", "host")


@functools.cache
def _listed():
    shown = subprocess.run([SYSTEM, "list", "--names"], stdout=subprocess.PIPE, check=True, text=True)
    return [line.split() for line in shown.stdout.splitlines()]


def names():
    return [words[0] for words in _listed()]


def kernels(name):
    """A system's, the usual one first."""
    return next(words[2:] for words in _listed() if words[0] == name)


def own():
    """The name of the system that this machine is; None if it is another."""
    return next((words[0] for words in _listed() if words[1] == "own"), None)


def argv(name, command):
    return [str(word) for word in (SYSTEM, "exec", name, "--", *command)]


def _in(name, timeout, command):
    """A check that runs a command in a system."""
    return lambda check: Result.of(execute(argv(name, command), check.log, timeout, cwd=ROOT))


def _unit(name):
    def function(check):
        # The system's build/ is another folder here.
        report = BUILD / "systems" / name / "unit.xml"
        report.unlink(missing_ok=True)
        command = ["ctest", "--preset", "release", "--parallel", checks.cores(), "--timeout", 600, "-L", "unit",
                   "--output-junit", BUILD / "unit.xml"]
        return ctest_result(execute(argv(name, command), check.log, 3600, cwd=ROOT), report)
    return function


def _guest(name, test, kernel):
    declared = checks.header(test)
    command = [checks.VM_RUN, "--kernel", kernel, "--verbose", *declared.get("vm", "").split(), "--", test]
    return Check(f"{name}:guest:{test.stem}@{kernel}", checks.first_sentence(test), _in(name, 3600, command),
                 (f"{name}:build:release", f"{name}:module:{kernel}"), beside=True)


def others(kernel=None):
    """The checks of a plain run that are of another system; none in a run that is about one system or kernel."""
    if inside() != "host" or kernel or own() not in STABLE:
        return []
    name = next(system for system in STABLE if system != own())
    found = kernels(name)
    made, built = (f"{name}:system",), (f"{name}:build:release",)
    selected = [
        Check(f"{name}:system", "debootstrap makes a system of that release, with the packages that this project wants",
              lambda check: Result.of(execute([SYSTEM, "make", name], check.log, 3600)), ahead=True),
        Check(f"{name}:build:release", "its compiler compiles everything, warnings being errors",
              _in(name, 3600, checks.tree("release")), made),
        Check(f"{name}:unit:release", "the unit tests with its libraries", _unit(name), built),
    ]
    selected += [Check(f"{name}:module:{one}", f"dm-ddsnap builds on its Linux {one} without a warning (W=1, sparse)",
                       _in(name, 1200, [ROOT / "tests" / "vm" / "build-module", "--kernel", one, "--sparse"]), made)
                 for one in found]
    selected += [_guest(name, ROOT / "tests" / "guest" / f"{test}.test", found[-1]) for test in GUESTS]
    for test in HOSTS:
        path = ROOT / "tests" / "host" / f"{test}.test"
        selected.append(Check(f"{name}:host:{test}", checks.first_sentence(path), _in(name, 1800, [path]),
                              (*built, f"{name}:module:{found[0]}"), beside=True))
    return selected
