# SPDX-License-Identifier: GPL-2.0
"""clang-tidy over every file of ours that is compiled, skipping those that were found clean before and are unchanged.

Most of its time goes into headers of others, read and matched anew for every file. So the files of a library (or program)
are looked at together, as one source that includes them: names in unnamed namespaces must differ within a library, which
they should anyhow. (All 72 files of the command in 19 s of processor time; eight at a time in 85 s.) The static analyzer is
the other way round: what it costs are the functions themselves, and it takes longer than all else; it is a check of its own,
file by file.

Files are unchanged when their compile command, their text, the text of every header of this checkout that they include,
.clang-tidy and clang-tidy's version are. What was found clean is remembered by a hash of all
that, in the user's cache folder, so that a fresh checkout gains too.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess

from .execute import charge, charged, execute

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ("libsnapstore", "ddsnapd", "tools", "tests")
STYLE = "-clang-analyzer-*"  # added to what .clang-tidy says: all but the analyzer
ANALYZER = "-*,clang-analyzer-*"


@dataclasses.dataclass
class Source:
    path: pathlib.Path
    target: str  # the library or program it belongs to
    flags: list
    headers: set


@dataclasses.dataclass
class Unit:
    """What one run of clang-tidy looks at."""
    sources: list

    @property
    def name(self):
        names = [str(s.path.relative_to(ROOT)) for s in self.sources]
        return names[0] if len(names) == 1 else f"{names[0]}..{pathlib.Path(names[-1]).name}"


def _cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "zumastor" / "clang-tidy"


@functools.cache
def _included(path, folders):
    """The headers of this checkout that a file includes."""
    names = re.findall(r'^#include "([^"]+)"', path.read_text(encoding="utf-8"), re.M)
    found = (next((f / name for f in (path.parent, *folders) if (f / name).is_file()), None) for name in names)
    return {header.resolve() for header in found if header}


def _headers(path, folders):
    """Those, and what they include in turn."""
    found, new = set(), {path}
    while new:
        new = set().union(*(_included(p, folders) for p in new)) - found
        found |= new
    return found


def _sources(build):
    """Every file of ours that is compiled, once: one that is compiled twice (with other macros) as it is the first time."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"]).resolve()
        if not path.is_relative_to(ROOT) or path.relative_to(ROOT).parts[0] not in OURS or path.suffix != ".cpp":
            continue
        words = shlex.split(entry["command"])
        output = words[words.index("-o") + 1]
        first = next(i for i, word in enumerate(words) if word.startswith("-"))  # after the compiler and its launcher
        flags = words[first:words.index("-o")]
        if path not in found:
            folders = tuple(pathlib.Path(flag[2:]) for flag in flags if flag.startswith("-I"))
            found[path] = Source(path, output.split(".dir/")[0], flags, _headers(path, folders))
    return [found[path] for path in sorted(found)]


def _units(sources, together):
    if not together:
        return [Unit([source]) for source in sources]
    groups = {}
    for source in sources:
        groups.setdefault((source.target, *source.flags), []).append(source)
    return [Unit(group) for group in sorted(groups.values(), key=len, reverse=True)]  # what takes longest first


def _key(unit, common):
    # Paths relative to the checkout, so that the same files elsewhere have the same hash.
    digest = hashlib.sha256(common)
    digest.update(" ".join(unit.sources[0].flags).replace(str(ROOT), ".").encode())
    ours = {s.path for s in unit.sources}.union(*(s.headers for s in unit.sources))
    for path in sorted(ours):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _main_file(unit, folder):
    if len(unit.sources) == 1:
        return unit.sources[0].path
    folder.mkdir(exist_ok=True)
    path = folder / (re.sub(r"[^\w.]", "-", unit.name) + ".cpp")
    path.write_text("".join(f'#include "{s.path}" // NOLINT(bugprone-suspicious-include)\n' for s in unit.sources))
    return path


def run(program, build, log, workers, checks):
    """Returns how many files are clean, and the names of those that are not (or are looked at with one that is not).

    program: clang-tidy, by the name that it has here.
    build: a build folder that is configured, one command for each file; nothing of it need be built.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([program, "--version"], stdout=subprocess.PIPE, check=True).stdout
    common = version + checks.encode() + (ROOT / ".clang-tidy").read_bytes()

    def one(unit):
        mark = cache / _key(unit, common)
        if mark.exists():
            return unit, None, 0
        part = log.with_name(f"{log.stem}.{re.sub('[^a-zA-Z0-9._]', '-', unit.name)}")
        # The build's flags are GCC's, some of which clang does not know.
        argv = [program, "--quiet", f"--checks={checks}", _main_file(unit, build / "clang-tidy"), "--",
                *unit.sources[0].flags, "-Wno-unknown-warning-option"]
        status = execute(argv, part, 1800, cwd=build, append=False)
        if status == 0:
            mark.touch()
        return unit, part, status

    passed, failed = 0, []
    units = _units(_sources(build), together=checks != ANALYZER)
    with concurrent.futures.ThreadPoolExecutor(workers, initializer=charge, initargs=(charged(),)) as pool:
        for unit, part, status in pool.map(one, units):
            if status == 0:
                passed += len(unit.sources)
            else:
                failed += [str(s.path.relative_to(ROOT)) for s in unit.sources]
                with open(log, "ab") as whole:
                    whole.write(part.read_bytes())
            if part:
                part.unlink()
    return passed, failed
