# SPDX-License-Identifier: GPL-2.0
"""The pictures of a run: time against what it should, or should not, depend on."""

import statistics

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from .targets import of_stage  # noqa: E402


def line(axes, points, label, style, colour):
    """points: {x: [values]}"""
    x = sorted(points)
    middle = [statistics.median(points[v]) for v in x]
    error = [[m - min(points[v]) for m, v in zip(middle, x)], [max(points[v]) - m for m, v in zip(middle, x)]]
    axes.errorbar(x, middle, error, fmt=style, color=colour, capsize=3, label=label)


def finish(figure, axes, path, title):
    for one in axes:
        one.grid(alpha=0.3)
        one.legend(fontsize=8)
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def delta(lines, path):
    entries = of_stage(lines, "delta")
    if not entries:
        return
    figure, axes = pyplot.subplots(figsize=(5, 3.8))
    for run, colour in ((1, "tab:blue"), (64, "tab:green")):
        rows = [row for row in entries[-1]["results"] if row["run"] == run]
        line(axes, {row["changed"]: [row["ms_min"], row["ms"], row["ms_max"]] for row in rows},
             "single chunks" if run == 1 else f"runs of {run}", "o-", colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("changed chunks")
    axes.set_ylabel("ms")
    finish(figure, [axes], path, f"Listing a delta, {entries[-1]['exceptions']:,} exceptions in the store")


def cycles(lines, path):
    found = of_stage(lines, "cycle", caches="warm")
    if not found:
        return
    gib = statistics.mode(e["gib"] for e in found)
    files = min(e["files"] for e in found)
    figure, both = pyplot.subplots(1, 2, figsize=(9, 3.8))
    for axes, key, label, fixed in ((both[0], "files", f"files, in {gib} GiB", {"gib": gib}),
                                    (both[1], "gib", f"GiB, with {files:,} files", {"files": files})):
        for system, colour in (("ours", "tab:blue"), ("rsync", "tab:red")):
            points = {}
            for e in of_stage(found, "cycle", system=system, **fixed):
                points.setdefault(e[key], []).append(e["seconds"])
            if points:
                line(axes, points, system, "o-", colour)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("s")
    finish(figure, both, path, "One cycle after 4 KiB in each of 1,000 files were changed; warm caches")


def write(lines, folder):
    delta(lines, folder / "replication-delta.svg")
    cycles(lines, folder / "replication-cycles.svg")
