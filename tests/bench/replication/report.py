# SPDX-License-Identifier: GPL-2.0
"""The report of a run for people: what goes into docs/benchmarks.md."""

import pathlib
import re

from lib.report import cell, number, table, target_table
from lib.results import Spread

from .targets import foretold_bytes, foretold_end, of_stage, values_of

BEGIN, END = "<!-- replication: begin -->\n", "<!-- replication: end -->\n"


def spread(entries, value):
    return Spread.of(value(e) for e in entries)


def wire(lines):
    rows = []
    for size in values_of(lines, "wire", "chunk_bytes"):
        found = of_stage(lines, "wire", chunk_bytes=size)
        rows.append([f"{size >> 10} KiB", number(found[0]["chunks"], 0), cell(spread(found, lambda e: e["zero_chunks"])),
                     cell(spread(found, lambda e: e["nonzero_bytes"])), cell(spread(found, lambda e: e["stream_bytes"])),
                     cell(spread(found, lambda e: e["stream_bytes"] / e["nonzero_bytes"]), 1, 5)])
    return table(["chunks of", "changed", "of them zero", "bytes of the others", "bytes of the stream", "ratio"], rows)


def throughput(lines, kind):
    rows = []
    for system in values_of(lines, "throughput", "system"):
        found = of_stage(lines, "throughput", kind=kind, system=system)
        if not found:
            continue
        paired = {e["repeat"]: e["seconds"] for e in of_stage(lines, "throughput", kind=kind, system="dd")}
        rows.append([system, cell(spread(found, lambda e: e["bytes"] / e["seconds"] / 1e6)),
                     cell(spread(found, lambda e: paired[e["repeat"]] / e["seconds"]), 1, 2),
                     cell(spread(found, lambda e: e["processor_seconds"] / e["bytes"] * (1 << 30)), 1, 2)])
    return table(["", "MB/s", "rate / that of dd", "processor seconds per GiB"], rows)


def delta(lines):
    rows = [[number(row["changed"], 0), str(row["run"]), number(row["ranges"], 0), number(row["nodes"], 0),
             f"{row['ms']:.3g} ({row['ms_min']:.3g}–{row['ms_max']:.3g})"]
            for entry in of_stage(lines, "delta") for row in entry["results"]]
    return table(["changed", "in runs of", "ranges", "nodes looked into", "ms"], rows)


def cycles(lines):
    rows = []
    for files, gib, caches in dict.fromkeys((e["files"], e["gib"], e["caches"]) for e in of_stage(lines, "cycle")):
        each = {system: of_stage(lines, "cycle", files=files, gib=gib, caches=caches, system=system)
                for system in ("ours", "rsync")}
        rsync = {e["repeat"]: e["seconds"] for e in each["rsync"]}
        ratio = Spread.of(rsync[e["repeat"]] / e["seconds"] for e in each["ours"] if e["repeat"] in rsync)
        rows.append([number(files, 0), f"{gib} GiB", caches, cell(spread(each["ours"], lambda e: e["seconds"]), 1, 1),
                     cell(spread(each["rsync"], lambda e: e["seconds"]), 1, 1), cell(ratio, 1, 1),
                     cell(spread(each["ours"], lambda e: e["bytes_done"] / 16384)),
                     cell(spread(each["ours"], lambda e: e["network_bytes"] / 1024)),
                     cell(spread(each["rsync"], lambda e: e["network_bytes"] / 1024))])
    return table(["files", "volume", "caches", "ours, s", "rsync, s", "rsync / ours", "chunks sent", "ours, KiB sent",
                  "rsync, KiB sent"], rows)


def stages(lines):
    """(title, text, plot or None) of those that were measured."""
    def measured(stage):
        return any(e["stage"] == stage for e in lines)

    if measured("wire"):
        yield "Bytes on the wire", wire(lines), None
    if measured("delta"):
        yield "Deltas", delta(lines), "delta"
    for kind in values_of(lines, "throughput", "kind"):
        gib = of_stage(lines, "throughput", kind=kind)[0]["bytes"] / (1 << 30)
        yield f"Throughput, {gib:g} GiB of {kind} content", throughput(lines, kind), None
    if measured("progress"):
        found = of_stage(lines, "progress")
        yield ("Progress", f"Transfers of {cell(spread(found, lambda e: e['lines'][-1]['seconds']), 1, 1)} s; error of the end "
               f"foretold in the second half: {cell(spread(found, foretold_end), 100, 1)} % of the duration; of the bytes "
               f"left, as counted in the pipe: {cell(spread(found, foretold_bytes), 100, 2)} % of all.\n", None)
    if measured("cycle"):
        yield "Cycles", cycles(lines), "cycles"


def write(lines, checked, conditions):
    parts = [conditions + "\n", target_table(checked)]
    for title, text, picture in stages(lines):
        parts += [f"### {title}\n", text]
        if picture:
            parts.append(f"![{title}](replication-{picture}.svg)\n")
    return "\n".join(parts)


def update(document, text):
    """Puts the report between the marks in a document of ours."""
    path = pathlib.Path(document)
    old = path.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        raise RuntimeError(f"{path}: the marks {BEGIN.strip()} and {END.strip()} are not there once each")
    path.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{text}\n{END}", old, flags=re.DOTALL), encoding="utf-8")
