# SPDX-License-Identifier: GPL-2.0
"""What tests/run runs: every check has a name, a reason, and a function that does it.

A check of many parts (a run of ctest) counts each of its parts; any other counts as one.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing
import xml.etree.ElementTree

from . import tidy
from .execute import execute

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOGS = BUILD / "test-logs"
CLANG = 14  # the version that .clang-format and .clang-tidy are made for: Debian 12's
SKIPPED = 77  # a test's exit status for "this cannot be tested here", with a word why in its output

# What the sanitizers' tests are made of. Not the variants with planted bugs: what they do wrong is known.
ASAN = ("daemon_test", "fuzz-client-replay", "fuzz-config-replay", "fuzz-control-replay", "fuzz-service-replay",
        "fuzz-session-replay", "fuzz-store-replay", "fuzz-stream-replay", "service_test", "simulation",
        "snapstore_allocation_test", "snapstore_test", "stream_test", "tools_test")
TSAN = ("daemon_test", "stream_test")  # the engine and the volume service have one thread

# tests/vm is a program with a package "lib" of its own.
VM_RUN = ROOT / "tests" / "vm" / "run"


@dataclasses.dataclass
class Result:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""

    @classmethod
    def of(cls, status):
        if status == 0:
            return cls(passed=1)
        if status == SKIPPED:
            return cls(skipped=1)
        return cls(failed=1, note=f"exit status {status}")


@dataclasses.dataclass
class Check:
    name: str
    why: str
    function: typing.Callable[["Check"], Result]
    needs: tuple = ()
    quick: bool = False  # part of tests/run --quick
    beside: bool = False  # several of these may run at once, after all others: what does not keep all processors busy
    named: bool = False  # runs only if --only names it
    waits: bool = False  # hardly half of its time is a processor's: one of these runs beside the others that run at once
    ahead: bool = False  # begins with the run: it waits for the network or a disk more than for a processor

    @property
    def log(self):
        return LOGS / (re.sub(r"[^\w.@+-]", "-", self.name) + ".log")


def cores():
    return len(os.sched_getaffinity(0))


# --- programs: building them, and the tests that ctest knows -------------------------------------------------------------

def build(preset, *targets):
    """Everything, or only the targets named."""
    argv = tree(preset, *(["--target", *targets] if targets else []))
    return lambda check: Result.of(execute(argv, check.log, 3600))


def tree(preset, *words):
    """The command that builds it, warnings being errors."""
    return [ROOT / "tools" / "build-tree", preset, "-DZUMASTOR_WERROR=ON", "--", "--parallel", cores(), *words]


def ctest(preset, *selection, per_test=600):
    """Runs tests registered with ctest; its own report (JUnit's form) says how many and which."""
    def function(check):
        report = check.log.with_suffix(".xml")
        report.unlink(missing_ok=True)
        argv = ["ctest", "--preset", preset, "--parallel", cores(), "--timeout", per_test, "--no-tests=ignore",
                "--output-junit", report, *selection]
        return ctest_result(execute(argv, check.log, 3600, cwd=ROOT), report)
    return function


def ctest_result(status, report):
    """What a run of ctest ended with, and the report it wrote."""
    if not report.exists():
        return Result.of(status) if status else Result(skipped=1, note="ctest knows no such tests yet")
    suite = xml.etree.ElementTree.parse(report).getroot()
    total, failed, skipped = (int(suite.get(k, 0)) for k in ("tests", "failures", "skipped"))
    skipped += int(suite.get("disabled", 0))
    names = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    if status and not failed:
        return Result(failed=1, note=f"ctest itself: exit status {status}")
    if total == 0:
        return Result(skipped=1, note="ctest knows no such tests yet")
    return Result(total - failed - skipped, failed, skipped, " ".join(names[:10]))


# --- the text of the sources ---------------------------------------------------------------------------------------------

def sources(*suffixes, under=("libsnapstore", "ddsnapd", "tools", "tests")):
    """Files by suffix, build/ and the like left out. Not by asking git: a release's tarball has no .git."""
    found = []
    for folder in under:
        for suffix in suffixes:
            found += (p for p in (ROOT / folder).rglob(f"*{suffix}") if p.is_file())
    return sorted(found)


def scripts(shebang):
    """Executables of ours whose first line matches: shell scripts mostly have no suffix."""
    found = []
    for folder in (".ci", "tools", "tests", "debian", "kernel"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o111:
                with open(path, "rb") as file:
                    if re.match(shebang, file.readline(200)):
                        found.append(path)
    return sorted(found)


def major(program):
    """The main version of a program of clang's, None if it is not there."""
    if not shutil.which(program):
        return None
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = re.search(r"version (\d+)\.", said)
    if not found:
        raise RuntimeError(f"{program} --version does not say its version: {said!r}")
    return int(found.group(1))


def made_for_clang(program, function):
    """Every version of clang-format and clang-tidy has other opinions: they are asked for that of CLANG only."""
    def checked(check):
        for name in (program, f"{program}-{CLANG}"):
            if major(name) == CLANG:
                return function(check, name)
        return Result(skipped=1, note=f"needs {program} {CLANG}; this system's is {major(program) or 'not installed'}")
    return checked


def clang_format(check, program):
    files = sources(".cpp", ".h", ".c", under=("libsnapstore", "ddsnapd", "tools")) + \
        sources(".cpp", ".h", under=("tests",))
    result = Result.of(execute([program, "--dry-run", "-Werror", *files], check.log, 600))
    if result.failed:
        bad = sorted(set(re.findall(rf"^{re.escape(str(ROOT))}/([^:\n]+):\d+:\d+: error", check.log.read_text(), re.M)))
        result.note = f"{program} -i {' '.join(bad)}" if bad else result.note
    return result


def shellcheck(check):
    files = scripts(rb"#!\s*/(usr/)?bin/(env )?(ba|da)?sh\b") + sources(".sh", under=("tools", "tests"))
    return Result.of(execute(["shellcheck", "-x", *files], check.log, 600, cwd=ROOT))


def python_syntax(check):
    files = scripts(rb"#!\s*/usr/bin/python3") + sources(".py", under=("tools", "tests"))
    # Parsed, not compiled to files: nothing is written beside the sources.
    program = "import ast, sys\nfor name in sys.argv[1:]: ast.parse(open(name, encoding='utf-8').read(), name)"
    return Result.of(execute([sys.executable, "-W", "error", "-c", program, *files], check.log, 120))


def structure_holds(check):
    return Result.of(execute([sys.executable, "-B", ROOT / "tests" / "lib" / "structure.py"], check.log, 120))


def sizes_hold(check):
    return Result.of(execute([sys.executable, "-B", ROOT / "tests" / "lib" / "sizes.py"], check.log, 120))


def clang_tidy(checks):
    def function(check, program):
        # The release is compiled several files at a time; this preset has a command for each.
        status = execute([ROOT / "tools" / "build-tree", "--configure", "debug"], check.log, 600)
        if status:
            return Result.of(status)
        passed, failed = tidy.run(program, BUILD / "debug", check.log, cores(), checks)
        return Result(failed=1, note=f"{len(failed)} of {passed + len(failed)} files: " + " ".join(failed[:8])) if failed \
            else Result(passed=1, note=f"{passed} files")
    return made_for_clang("clang-tidy", function)


# --- the kernel module ---------------------------------------------------------------------------------------------------

def module(series):
    return lambda check: Result.of(execute([ROOT / "tests" / "vm" / "build-module", "--kernel", series, "--sparse"],
                                           check.log, 1200))


def checkpatch(check):
    return Result.of(execute([ROOT / "tests" / "vm" / "checkpatch"], check.log, 1200))


# --- tests in guests, and tests on the host that boot guests ---------------------------------------------------------------

def header(path):
    """The declarations in a test's first comment lines: "# vm: --disks 3", "# tier: quick", "# kernels: all"."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines()[:30]:
        match = re.match(r"#\s*(vm|tier|kernels|timeout|waits):\s*(.*?)\s*$", line)
        if match:
            found[match.group(1)] = match.group(2)
    if found.get("tier", "full") not in ("quick", "full", "matrix", "named"):
        raise SystemExit(f"{path}: a test's tier is quick, full, matrix or named, not {found['tier']!r}")
    if found.get("waits", "yes") != "yes":
        raise SystemExit(f"{path}: a test waits: yes, or says nothing of it")
    return found


def guest_test(path, options, kernel):
    def function(check):
        kernel_log = check.log.with_suffix(".kernel.log")
        argv = [VM_RUN, "--kernel", kernel, "--kernel-log", kernel_log, "--verbose", *options, "--", path]
        return Result.of(execute(argv, check.log, 3600))  # tests/vm/run keeps to a limit of its own
    return function


def host_test(path, timeout):
    return lambda check: Result.of(execute([path], check.log, timeout, cwd=ROOT))


def test_files(kind):
    return [p for p in sorted((ROOT / "tests" / kind).glob("*.test")) if os.access(p, os.X_OK)]


def only_by_name(declared, kernel):
    """Whether a plain run leaves a test out. One of the matrix is in a run that is about one kernel, as tests/vm/platforms does it."""
    return declared.get("tier") == "named" or (declared.get("tier") == "matrix" and not kernel)


def first_sentence(path):
    """The test's own word on what it is for: its first line of prose."""
    for line in path.read_text(encoding="utf-8").splitlines()[1:30]:
        text = line.strip().lstrip("#").strip().strip('"')
        if text and not re.match(r"SPDX|vm:|tier:|kernels:|timeout:|waits:|import |set |from ", text):
            return text.rstrip(".:;,")
    return ""


def kernels():
    """The names of this system's kernels, the usual one first: tests/vm has their definition."""
    shown = subprocess.run([ROOT / "tests" / "vm" / "kernel", "list", "--names"], stdout=subprocess.PIPE, check=True, text=True)
    return shown.stdout.split()


def chosen_kernels(declared, known):
    """Those that a test is for: "# kernels: all", "newest" or "debug-6.1"; the usual one without such a line."""
    word = declared.get("kernels", "usual")
    if word.startswith("debug-"):
        return [word]
    if word not in ("usual", "newest", "all"):
        raise SystemExit(f"a test's kernels are usual, newest, all or debug-…, not {word!r}")
    return known if word == "all" else [known[-1] if word == "newest" else known[0]]


def programs_and_text(known):
    modules = [Check(f"module:{kernel}", f"dm-ddsnap builds on Linux {kernel} without a warning (W=1, sparse)", module(kernel),
                     quick=number == 0) for number, kernel in enumerate(known)]
    return [
        Check("build:release", "compile everything, warnings being errors", build("release"), quick=True),
        Check("unit:release", "every part against a plain model; the simulation's share of seeds",
              ctest("release"), ("build:release",), quick=True),
        Check("text:format", "C++ as .clang-format says", made_for_clang("clang-format", clang_format), quick=True),
        Check("text:shellcheck", "shell scripts without the usual traps", shellcheck, quick=True),
        Check("text:python", "Python scripts at least parse", python_syntax, quick=True),
        Check("text:structure", "no include goes up the order of folders that docs/design.md states", structure_holds, quick=True),
        Check("text:sizes", "no class and no function is larger than they may be", sizes_hold, quick=True),
        *modules,
        Check("module:checkpatch", "and in the kernel's style", checkpatch),
        Check("text:clang-tidy", "C++ without what looks like a mistake", clang_tidy(tidy.STYLE)),
        Check("text:clang-analyzer", "no path through a function of ours that ends badly", clang_tidy(tidy.ANALYZER),
              named=True),
        Check("build:asan", "compile with AddressSanitizer and UndefinedBehaviorSanitizer", build("asan", *ASAN), beside=True),
        Check("build:tsan", "compile with ThreadSanitizer", build("tsan", *TSAN), beside=True),
        Check("unit:asan", "the same tests: no invalid access, leak or undefined behaviour",
              ctest("asan", "-L", "unit|threads|native|sim-asan"), ("build:asan",), beside=True),
        Check("unit:tsan", "what has threads: no data race", ctest("tsan", "-L", "native|threads"), ("build:tsan",), beside=True),
    ]


def everything(kernel=None):
    """All checks; `kernel`: what they use instead of this system's usual kernel and all others."""
    known = [kernel] if kernel else kernels()
    needs = ("build:release", f"module:{known[0]}")
    checks = programs_and_text(known)
    for path in test_files("guest"):
        declared = header(path)
        quick = declared.get("tier") == "quick"
        for number, name in enumerate(chosen_kernels(declared, known)):
            suffix = "" if number == 0 else f"@{name}"
            checks.append(Check(f"guest:{path.stem}{suffix}", first_sentence(path),
                                guest_test(path, declared.get("vm", "").split(), name), needs,
                                quick=quick and number == 0, beside=True,
                                named=only_by_name(declared, kernel), waits="waits" in declared))
    for path in test_files("host"):
        declared = header(path)
        checks.append(Check(f"host:{path.stem}", first_sentence(path),
                            host_test(path, float(declared.get("timeout", 1800))), needs,
                            quick=declared.get("tier") == "quick", beside=True, named=only_by_name(declared, kernel),
                            waits="waits" in declared))
    return checks
