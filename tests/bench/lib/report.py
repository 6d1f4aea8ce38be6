# SPDX-License-Identifier: GPL-2.0
"""The report for people: Markdown tables of one run."""

from . import plan
from .results import origin, store

TOUCH = {1: "first touch", 2: "second touch"}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def number(value, digits):
    return f"{value:,.{digits}f}"


def cell(spread, scale=1.0, digits=0):
    if spread is None:
        return "–"
    median, low, high = (value * scale for value in spread)
    return f"{number(median, digits)} ({number(low, digits)}–{number(high, digits)})"


def columns(results):
    return [(load, touch) for load in results.plan.loads for touch in range(1, load.touches + 1)]


def title(load, touch):
    return f"{load.title}, {TOUCH[touch]}" if load.touches > 1 else load.title


def rates(results):
    def of(system, load, touch):
        if load.block >= plan.MIB:
            return cell(results.rate(system, load.name, touch), load.block / 1e6, 1)
        return cell(results.rate(system, load.name, touch))

    head = ["", *(f"{title(load, touch)}, {'MB' if load.block >= plan.MIB else 'writes'}/s"
                  for load, touch in columns(results))]
    rows = [[system, *(of(system, load, touch) for load, touch in columns(results))]
            for system in results.plan.systems]
    return table(head, rows)


COUNTS = [
    ("origin reads", lambda e: origin(e)["reads"]),
    ("origin KiB read", lambda e: origin(e)["read_bytes"] / 1024),
    ("origin writes", lambda e: origin(e)["writes"]),
    ("origin KiB written", lambda e: origin(e)["write_bytes"] / 1024),
    ("store reads", lambda e: store(e)["reads"]),
    ("store writes", lambda e: store(e)["writes"]),
    ("store KiB written", lambda e: store(e)["write_bytes"] / 1024),
    ("store flushes", lambda e: store(e)["flushes"]),
    ("origin flushes", lambda e: origin(e)["flushes"]),
    ("origin busy, %", lambda e: e["times"]["vda"]["busy_ms"] * 1e8 / e["elapsed_ns"]),
    ("store busy, %", lambda e: e["times"]["vdb"]["busy_ms"] * 1e8 / e["elapsed_ns"]),
    ("p50 latency, ms", lambda e: e["latency_us"]["p50"] / 1000),
    ("p99 latency, ms", lambda e: e["latency_us"]["p99"] / 1000),
]


def counts(results, load, touch):
    head = ["", *(name for name, _ in COUNTS)]
    rows = []
    for system in results.plan.systems:
        spreads = [results.spread(system, load.name, touch, value) for _, value in COUNTS]
        if spreads[0] is not None:
            rows.append([system, *(number(s.median, 0 if s.median >= 100 or s.median == int(s.median) else 1)
                                   for s in spreads)])
    return table(head, rows)


def metadata(results):
    """What describing a copied GiB costs: bytes written beside the data, by kind, and how copies were batched."""
    head = ["", "load", "KiB written per GiB copied", "KiB held per GiB copied", "journal blocks", "node writes",
            "checkpoints", "commits", "chunks per commit", "copies' store writes"]
    rows = []
    for n in results.snapshots("ddsnap"):
        for load in results.plan.loads:
            each = list(results.each(f"ddsnap-{n}", load.name, 1).values())
            if not each or n == 0:
                continue

            def median(value, digits=0, load=load, system=f"ddsnap-{n}"):
                return cell(results.spread(system, load.name, 1, value), 1, digits)

            rows.append([f"ddsnap-{n}", load.name, median(metadata_written), median(metadata_held),
                         *(median(lambda e, key=key: e["own"][key])
                           for key in ("journal_blocks", "node_writes", "checkpoints", "commits")),
                         median(lambda e: e["own"]["copied_chunks"] / max(1, e["own"]["commits"]), 1),
                         median(lambda e: e["own"]["store_writes"])])
    return table(head, rows) if rows else ""


def per_gib(entry, size):
    """KiB for each GiB copied."""
    return size / 1024 / (entry["own"]["copied_chunks"] * plan.CHUNK) * (1 << 30)


def metadata_written(entry):
    """Journal, nodes, tables, superblocks: what was written to the store beside the copies."""
    return per_gib(entry, store(entry)["write_bytes"] - entry["own"]["store_bytes"])


def metadata_held(entry):
    """Blocks of 4 KiB that the tree takes more than before, both times after a checkpoint."""
    before, after = (state["meta_blocks"] - state["free_meta_blocks"]
                     for state in (entry["state_before"], entry["state"]))
    return per_gib(entry, 4096 * (after - before))


def target_table(targets):
    rows = [[t.name, f"{t.relation} {t.target:g}", f"{t.measured:g} ({t.spread[0]:g}–{t.spread[1]:g})",
             "yes" if t.met else "**no**"] for t in targets]
    return table(["target", "", "measured (smallest–largest)", "met"], rows)


def write(results, targets, conditions):
    parts = ["# Benchmark report\n", conditions + "\n"]
    if targets:
        parts += ["## Targets\n", target_table(targets)]
    parts += ["## Rates\n", "Median (smallest–largest) of all repeats.\n", rates(results),
              "![Rates against the number of snapshots](rates.svg)\n"]
    parts += ["## Counts\n", "Medians, for one run of a load, from /sys/block/*/stat and the load generator.\n"]
    for load, touch in columns(results):
        parts += [f"### {title(load, touch)}: {load.operations:,} writes, {load.chunks:,} chunks\n",
                  counts(results, load, touch)]
    described = metadata(results)
    if described:
        parts += ["## Metadata of ours\n", "Median (smallest–largest).\n", described]
    return "\n".join(parts)
