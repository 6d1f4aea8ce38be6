# SPDX-License-Identifier: GPL-2.0
"""How large a class and a function may be.

A class has at most 25 public members and 40 functions. A function has at most 60 lines, from its first line to its last one. The
sources are read by Universal Ctags, Python's by Python itself. What an on-disk format gives a field each is no class in this sense.
"""

import ast
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_PUBLIC = 25
MOST_FUNCTIONS = 40
MOST_LINES = 60
CLASSES = ("libsnapstore", "ddsnapd", "tools")
FUNCTIONS = (*CLASSES, "kernel", "tests")
RECORDS = {"snapstore::superblock_disk"}  # fields by their byte offsets: docs/store-format.md


def files(tops, *suffixes):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *tops],
                            cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout.split("\0")
    return [name for name in listed if name.endswith(suffixes) and (ROOT / name).is_file()]


def tags(names):
    """What ctags finds in the files, one dictionary each."""
    argv = ["ctags", "--quiet", "--options=NONE", "--languages=C,C++", "--map-C++=+.h", "--output-format=json", "--fields=+aKneZ",
            "--kinds-C++=+pxm", "--kinds-C=+f", "--sort=no", "-f", "-", "-L", "-"]
    run = subprocess.run(argv, cwd=ROOT, input="\n".join(map(str, names)), stdout=subprocess.PIPE, check=True, text=True)
    for line in run.stdout.splitlines():
        tag = json.loads(line)
        if tag["_type"] == "tag":
            yield tag


def members(found):
    """The members declared in the body of each class: (name, kind, whether public)."""
    classes = collections.defaultdict(list)
    for tag in found:
        # A function defined outside of its class's body has no access of its own: its declaration counts.
        if tag.get("scopeKind") in ("class", "struct") and tag.get("access") and tag["kind"] in ("function", "prototype", "member"):
            classes[tag["scope"], tag["path"]].append((tag["name"], tag["kind"], tag["access"] == "public"))
    return classes


def large_classes(found):
    for (name, path), inside in members(found).items():
        public = sum(is_public for _, _, is_public in inside)
        functions = sum(kind != "member" for _, kind, _ in inside)
        if public > MOST_PUBLIC and name not in RECORDS:
            yield f"{path}: {name} has {public} public members, more than {MOST_PUBLIC}"
        if functions > MOST_FUNCTIONS:
            yield f"{path}: {name} has {functions} functions, more than {MOST_FUNCTIONS}"


def long_functions(found):
    for tag in found:
        if tag["kind"] == "function" and "end" in tag:
            yield from too_long(tag["path"], tag["name"], tag["line"], tag["end"])


def long_python_functions():
    for name in python_files():
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"), name)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from too_long(name, node.name, node.lineno, node.end_lineno)


def python_files():
    named = files(FUNCTIONS, ".py")
    others = [name for name in files(FUNCTIONS, "") if "." not in pathlib.PurePath(name).name]
    return named + [name for name in others if (ROOT / name).read_bytes().startswith(b"#!/usr/bin/python3")]


def too_long(path, name, first, last):
    lines = last - first + 1
    if lines > MOST_LINES:
        yield f"{path}:{first}: {name}() has {lines} lines, more than {MOST_LINES}"


def planted():
    """What these checks must find, so that one of them that finds nothing is seen."""
    fields = "".join(f"    int f{i};\n" for i in range(MOST_PUBLIC + 1))
    functions = "".join(f"    void g{i}();\n" for i in range(MOST_FUNCTIONS + 1))
    body = "    work();\n" * MOST_LINES
    return f"struct Wide {{\n{fields}}};\nclass Busy {{\n{functions}}};\nvoid endless()\n{{\n{body}}}\n"


def blind():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "planted.h"
        path.write_text(planted(), encoding="utf-8")
        found = list(tags([path]))
    seen = [*large_classes(found), *long_functions(found)]
    for what in ("Wide has 26 public", "Busy has 41 functions", "endless() has 63 lines"):
        if not any(what in line for line in seen):
            yield f"a planted one was not found: {what}"


def main():
    found = list(tags(files(FUNCTIONS, ".h", ".cpp", ".c")))
    in_classes = [tag for tag in found if tag["path"].startswith(CLASSES)]
    faults = [*blind(), *large_classes(in_classes), *long_functions(found), *long_python_functions()]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
