# SPDX-License-Identifier: GPL-2.0
"""The classic picture: rate against the number of snapshots held, one line per system, one panel per load."""

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from . import plan, report  # noqa: E402

STYLES = {"raw": ("0.6", ":"), "dm-linear": ("0.3", "--"), "dm-snapshot": ("tab:red", "s-"), "ddsnap": ("tab:blue", "o-")}


def panel(axes, results, load, touch, ticks):
    scale = load.block / 1e6 if load.block >= plan.MIB else 1
    for kind, (colour, style) in STYLES.items():
        if kind in results.plan.systems:
            reference = results.rate(kind, load.name, 1)
            if reference:
                axes.axhline(reference.median * scale, color=colour, linestyle=style, label=kind)
            continue
        held = [n for n in results.snapshots(kind) if results.rate(f"{kind}-{n}", load.name, touch)]
        spreads = [results.rate(f"{kind}-{n}", load.name, touch) for n in held]
        if held:
            middle = [s.median * scale for s in spreads]
            error = [[(s.median - s.low) * scale for s in spreads], [(s.high - s.median) * scale for s in spreads]]
            axes.errorbar([ticks.index(n) for n in held], middle, error, fmt=style, color=colour, capsize=3, label=kind)
    axes.set_title(report.title(load, touch), fontsize=9)
    axes.set_xticks(range(len(ticks)), [str(n) for n in ticks])
    axes.set_xlabel("snapshots held")
    axes.set_ylabel("MB/s" if load.block >= plan.MIB else "writes/s")
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.grid(alpha=0.3)


def write(results, conditions, *paths):
    columns = report.columns(results)
    ticks = sorted({n for kind in ("dm-snapshot", "ddsnap") for n in results.snapshots(kind)}) or [0]
    figure, panels = pyplot.subplots(1, len(columns), figsize=(3.6 * len(columns), 3.8), squeeze=False)
    for axes, (load, touch) in zip(panels[0], columns):
        panel(axes, results, load, touch, ticks)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(labels), frameon=False)
    figure.suptitle(conditions, fontsize=9)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
