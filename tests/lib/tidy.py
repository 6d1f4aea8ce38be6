# SPDX-License-Identifier: GPL-2.0
"""clang-tidy over every file of ours that is compiled, skipping those that were found clean before and are unchanged.

Half a minute a file on a small machine is too long to do it all each time. A file is unchanged when its compile command,
its text, the text of every header of this checkout that it includes (as the compiler recorded them), .clang-tidy and
clang-tidy's version are. What was found clean is remembered by a hash of all that, in the user's cache folder, so that a
fresh checkout gains too.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess

from .execute import execute

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ("libsnapstore", "ddsnapd", "tools", "tests")


def _cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "zumastor" / "clang-tidy"


def _includes(build):
    """For each object file of the build, the files that went into it (ninja's record)."""
    listing = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    found, current = {}, None
    for line in listing.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif line.strip() and not line.startswith("ninja:"):
            current = found.setdefault(line.split(":")[0], [])
    return found


def _key(entry, includes, common, build):
    # Paths relative to the checkout, so that the same files elsewhere have the same hash.
    def text(path):
        return pathlib.Path(path).read_bytes()

    command = entry.get("command") or " ".join(entry["arguments"])
    digest = hashlib.sha256(common)
    digest.update(command.replace(str(ROOT), ".").encode())
    ours = set()
    for name in [entry["file"], *includes]:
        path = (build / name).resolve()
        if path.is_relative_to(ROOT):
            ours.add(path)
    for path in sorted(ours):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + text(path) + b"\0")
    return digest.hexdigest()


def run(build, log, workers):
    """Returns how many files are clean, and the names of those that are not."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE, check=True).stdout
    common = version + (ROOT / ".clang-tidy").read_bytes()
    includes = _includes(build)

    todo, passed = {}, 0
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"]).resolve()
        if not path.is_relative_to(ROOT) or path.relative_to(ROOT).parts[0] not in OURS or path.suffix != ".cpp":
            continue
        output = entry.get("output") or re.search(r" -o (\S+)", entry["command"]).group(1)
        mark = cache / _key(entry, includes.get(output, []), common, build)
        if mark.exists():
            passed += 1
        else:
            todo[path] = mark  # a file that is compiled twice (with other macros) is looked at once

    def one(path):
        name = str(path.relative_to(ROOT))
        part = log.with_name(f"{log.stem}.{name.replace('/', '-')}")
        # The build's flags are GCC's, some of which clang does not know.
        status = execute(["clang-tidy", "--quiet", "-p", build, "--extra-arg=-Wno-unknown-warning-option", path], part,
                         900, append=False)
        return name, part, status

    failed = []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for name, part, status in pool.map(one, sorted(todo)):
            if status == 0:
                passed += 1
                todo[ROOT / name].touch()
            else:
                failed.append(name)
                with open(log, "ab") as whole:
                    whole.write(part.read_bytes())
            part.unlink()
    return passed, failed
