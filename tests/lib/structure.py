# SPDX-License-Identifier: GPL-2.0
"""The order of folders that docs/design.md states, held against the sources.

Its table lists folders from the top down. A file includes files of its own folder, and of folders further down; so whoever
reads a folder needs to know nothing of what is above it. No file is longer than 600 lines.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- folders -->\n", "<!-- end of the folders -->\n"
TOPS = ("tools", "ddsnapd", "libsnapstore")
# Where the compiler looks for what is included, besides the file's own folder.
PLACES = (ROOT, ROOT / "libsnapstore" / "include", ROOT / "libsnapstore" / "src")
MOST_LINES = 600
INCLUDE = re.compile(r'^#include [<"]([^">]+)[">]', re.M)


def stated(text):
    """The folders in their order, the first one being the top."""
    table = text.split(BEGIN)[1].split(END)[0]
    return [re.match(r"\| `([^`]+)/` \|", line).group(1) for line in table.splitlines()[2:]]


def folder_of(path, folders):
    """Its place in the order: that of the innermost folder stated."""
    name = path.relative_to(ROOT).as_posix()
    fitting = [f for f in folders if name.startswith(f"{f}/")]
    return folders.index(max(fitting, key=len)) if fitting else None


def included(path):
    for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
        for place in (path.parent, *PLACES):
            found = (place / name).resolve()
            if found.is_file() and ROOT in found.parents:
                yield found
                break


def sources():
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                yield path


def faults():
    folders = stated(PAGE.read_text(encoding="utf-8"))
    for folder in folders:
        if not (ROOT / folder).is_dir():
            yield f"docs/design.md states the folder {folder}/, which is not there"
    for path in sources():
        name = path.relative_to(ROOT)
        mine = folder_of(path, folders)
        if mine is None:
            yield f"{name}: its folder is not in docs/design.md's table"
            continue
        for other in included(path):
            theirs = folder_of(other, folders)
            if theirs is not None and theirs < mine:
                yield f"{name} includes {other.relative_to(ROOT)}, which is further up: {folders[theirs]}/ is above {folders[mine]}/"
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > MOST_LINES:
            yield f"{name} has {lines} lines, more than {MOST_LINES}"


def main():
    found = list(faults())
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
