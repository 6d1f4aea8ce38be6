# SPDX-License-Identifier: GPL-2.0
"""tests/bench/run --replication: the stages in turn, their measurements, the report."""

import argparse
import json
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from lib import targets as lib_targets
from lib.measuring import AGAIN, build, measured_by, reported
from vm.lib.common import HarnessError, step

from . import images, native, report, targets
from .rig import GIB, programs_in

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
STAGES = ("wire", "throughput", "progress", "cycles", "delta")
COLD_REPEATS = 2  # of cycles: rsync's take minutes each
NAMES = {"cycle": "cycles"}  # of measurements that are called otherwise than their stage
WITH_DATA = 10_000  # files: all that ever change are among them
PROGRAMS = ("bench-stream", "bench-delta", "ddsnapd", "ddsnap", "zumastor")

EPILOG = """\
The stages:
  wire         bytes of streams of scattered changes, natively
  throughput   a whole volume beside dd, nbdcopy and rsync, natively, on files in --work
  progress     what --json foretold of a transfer, and what happened
  cycles       zumastor replicate beside rsync, between two guests, over ssh
  delta        listing what has changed in a store with millions of exceptions

exit status: 0 all targets met, 1 no measurement came about, 2 usage, 3 some target is missed.
"""


def parse(argv):
    parser = argparse.ArgumentParser(prog="tests/bench/run --replication", description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--json", type=pathlib.Path, metavar="FILE", help='write {"targets": [...]} there')
    add("--report", type=pathlib.Path, metavar="DIR", default=ROOT / "build" / "bench" / "replication",
        help="report, plots and raw measurements (default: build/bench/replication)")
    add("--from", dest="existing", action="store_true", help="report again on the measurements in --report")
    add("--keep", action="store_true", help="keep what --report has of the stages that are not run")
    add("--update-docs", action="store_true", help="put report and plots into docs/benchmarks.md")
    add("--stages", default=",".join(STAGES), metavar="LIST", help=f"comma-separated, of: {' '.join(STAGES)} (default: all)")
    add("--repeats", type=int, default=5, metavar="N",
        help=f"of everything, but at most {COLD_REPEATS} of cycles with cold caches (default 5)")
    add("--size", type=int, default=2, metavar="GIB", help="of the volume whose throughput is measured (default 2)")
    add("--wire-chunks", type=int, default=1000, metavar="N", help="changed (default 1000)")
    add("--files", default="10000,100000,1000000", metavar="LIST", help="on volumes of 10 GiB (default 10000,100000,1000000)")
    add("--volumes", default="1,10,100", metavar="LIST", help="GiB, with the fewest files (default 1,10,100)")
    add("--exceptions", type=int, default=5_000_000, metavar="N", help="in the store whose deltas are listed (default 5000000)")
    add("--most-changed", type=int, default=1_000_000, metavar="N", help="(default 1000000)")
    add("--work", type=pathlib.Path, metavar="DIR", help="where volumes are made (default: build/bench/work)")
    add("--preset", default="release", help="whose programs are measured (default release)")
    add("--no-build", action="store_true", help="use the programs as they are in build/PRESET")
    options = parser.parse_args(argv)
    options.stages = options.stages.split(",")
    if set(options.stages) - set(STAGES):
        parser.error(f"--stages: of {' '.join(STAGES)}")
    if options.repeats < 1 or options.size < 1:
        parser.error("--repeats and --size are at least 1")
    try:
        options.files, options.volumes = ([int(n) for n in text.split(",")] for text in (options.files, options.volumes))
    except ValueError:
        parser.error("--files and --volumes are lists of numbers")
    if not (ROOT / "CMakePresets.json").read_text().count(f'"{options.preset}"'):
        parser.error(f"--preset: CMakePresets.json has no '{options.preset}'")
    if options.existing and not (options.report / "measurements.jsonl").is_file():
        parser.error(f"--from: {options.report} holds no measurements")
    options.size *= GIB
    options.work = options.work or ROOT / "build" / "bench" / "work"
    return options


def cases(options):
    """(files, GiB) of the images, rsync's share in them."""
    fewest = min(options.files)
    pairs = [(files, 10) for files in options.files] + [(fewest, gib) for gib in options.volumes if gib != 10]
    return [{"files": files, "gib": gib, "rsync": gib == 10} for files, gib in pairs]


def cycles(options):
    what = {"cases": cases(options), "repeats": {"cold": min(options.repeats, COLD_REPEATS), "warm": options.repeats}}
    folder = options.report / "guest"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps(what), encoding="utf-8")
    views = []
    for case in what["cases"]:
        print(f"  image of {case['gib']} GiB with {case['files']:,} files", flush=True)
        views += 2 * ["--view", images.image(ROOT / "build" / "bench" / "images", case["files"], case["gib"], WITH_DATA)]
    argv = [ROOT / "tests" / "vm" / "run", "--hosts", 2, "--smp", 1, "--disks", 1, "--disk-size", "4G", *views, "--mem", "3G",
            "--timeout", 14400, "--results", folder, "--kernel-log", folder / "kernel.log", "--preset", options.preset,
            "--verbose", "--", HERE / "cycles-guest.py", "/results/plan.json", "/results/cycles.jsonl"]
    measured_by(argv)
    with open(folder / "cycles.jsonl", encoding="utf-8") as found:
        yield from map(json.loads, found)


def throughput(programs, options):
    for kind in ("random", "text"):
        yield from native.Throughput(programs, options.work, options, kind).run()


def commit():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() or "unknown"


def kept(options):
    """Of the measurements that are there, those of the stages that are not run now."""
    measurements = options.report / "measurements.jsonl"
    if not options.keep or not measurements.exists():
        return
    with open(measurements, encoding="utf-8") as found:
        for entry in map(json.loads, found):
            if entry["stage"] == "plan":
                entry["stages"] = [stage for stage in entry["stages"] if stage not in options.stages]
                if entry["stages"]:
                    yield entry
            elif NAMES.get(entry["stage"], entry["stage"]) not in options.stages:
                yield entry


def told(stage, measurements):
    """The measurements of a stage, whose failure is the harness's."""
    try:
        with step(f"measuring: {stage}", AGAIN):
            yield from measurements()
    except (RuntimeError, subprocess.CalledProcessError) as error:
        raise HarnessError(str(error), step=f"measuring: {stage}", remedy=AGAIN) from error


def measure(options):
    programs = programs_in(ROOT / "build" / options.preset)
    stages = {"wire": lambda: native.wire(programs, options.work, options),
              "throughput": lambda: throughput(programs, options),
              "progress": lambda: native.progress(programs, options.work, options),
              "cycles": lambda: cycles(options),
              "delta": lambda: native.delta(programs, options)}
    old = list(kept(options))
    try:
        with open(options.report / "measurements.jsonl", "w", encoding="utf-8", buffering=1) as results:
            for entry in old:
                results.write(json.dumps(entry) + "\n")
            results.write(json.dumps({"stage": "plan", "commit": commit(), "repeats": options.repeats, "stages": options.stages,
                                      "cpus": os.cpu_count(), "kernel": os.uname().release,
                                      "date": time.strftime("%Y-%m-%d")}) + "\n")
            for stage in options.stages:
                started = time.monotonic()
                print(f"== {stage}", flush=True)
                for entry in told(stage, stages[stage]):
                    results.write(json.dumps(entry) + "\n")
                    print("  " + ", ".join(f"{key} {value}" for key, value in entry.items()
                                           if isinstance(value, (int, float, str))), flush=True)
                print(f"== {stage}: {time.monotonic() - started:.0f} s", flush=True)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def measure_apart(options, prefer):
    """In a process of its own, which can begin a session. True if all was measured."""
    def work():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that daemons and files go with it
        prefer()
        with reported():
            measure(options)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they do not reach another session by themselves
        signal.signal(number, lambda *_: process.terminate())
    process.join()
    return process.exitcode == 0


def write_report(options):
    with open(options.report / "measurements.jsonl", encoding="utf-8") as found:
        lines = list(map(json.loads, found))
    plans = [entry for entry in lines if entry["stage"] == "plan"]
    lines = [entry for entry in lines if entry["stage"] != "plan"]
    checked = targets.check(lines)
    runs = [f"Stages {', '.join(plan['stages'])}: of one run on {plan['date']}, commit {plan['commit']}, {plan['repeats']} "
            f"repeats, {plan['cpus']} processors, host kernel {plan['kernel']}." for plan in plans]
    conditions = " ".join(runs) + " Medians with the smallest and the largest value."
    text = report.write(lines, checked, conditions)
    (options.report / "report.md").write_text(text, encoding="utf-8")
    from . import plot  # only here: --help needs no matplotlib
    plot.write(lines, options.report)
    if options.update_docs:
        report.update(ROOT / "docs" / "benchmarks.md", text)
        for picture in options.report.glob("replication-*.svg"):
            shutil.copy(picture, ROOT / "docs" / picture.name)
    if options.json:
        options.json.write_text(json.dumps(lib_targets.as_json(checked), indent=1) + "\n", encoding="utf-8")
    print(text)
    return checked


def main(argv, prefer):
    options = parse(argv)
    with reported():
        with step("making the folders", "name others with --report and --work"):
            options.report.mkdir(parents=True, exist_ok=True)
            if not options.existing:
                options.work.mkdir(parents=True, exist_ok=True)
        if not options.existing:
            if not options.no_build:
                build(options.preset, ("build", "test", "vm", "kernel", "bench"), PROGRAMS)
            if not measure_apart(options, prefer):
                return 1
        with step("writing the report"):
            checked = write_report(options)
    missed = [target for target in checked if not target.met]
    for target in missed:
        print(f"missed: {target.name}: {target.measured:g}, should be {target.relation} {target.target:g}", file=sys.stderr)
    print(f"{len(checked) - len(missed)} of {len(checked)} targets met; report, plots and measurements: {options.report}")
    return 3 if missed else 0
