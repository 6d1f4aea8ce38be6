# SPDX-License-Identifier: GPL-2.0
"""Runs every test there is: unit tests, sanitizers, style, the kernel module, and tests in virtual machines.

Says what it does and why as it goes, and ends with one line that counts. Beside each check stand the seconds that it took and
those of processors that it used ("cpu"), which depend less on what else the machine does. Logs are in build/test-logs.
How to add a test: tests/README.md.
"""

import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time

from lib import execute, platforms
from lib.checks import LOGS, ROOT, Result, everything

TAIL = 60  # lines of a failed check's log that are shown


def parse():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="what fits into a few minutes, for while one works")
    add("--only", action="append", default=[], metavar="PATTERN",
        help="only checks with PATTERN in their name (e.g. guest: or unit:asan), and what those need; may be repeated")
    add("--list", action="store_true", help="name the checks that would be run, and do nothing")
    add("--system", metavar="NAME", help="in another Debian than this machine's own (tests/vm/system list), made the first time")
    add("--kernel", metavar="NAME", help="only with this one of the system's kernels (tests/vm/kernel list), as its usual one")
    processors = len(os.sched_getaffinity(0))
    add("--guests", type=int, default=min(2, processors), metavar="N",
        help="how many tests in guests or with sanitizers may run at once (default 2, or 1 with a single processor); if it is not "
        "1, one that mostly waits besides")
    options = parser.parse_args()
    if options.guests < 1:
        parser.error("--guests is at least 1")
    if options.system and options.system != platforms.inside():
        if options.system not in platforms.names():
            parser.error(f"no system '{options.system}' (there are: {', '.join(platforms.names())})")
        options.elsewhere = True
        return options
    options.elsewhere = False
    options.checks = select(everything(options.kernel) + platforms.others(options.kernel), options)
    if not options.checks:
        parser.error("no check has such a name (see --list)")
    return options


def select(checks, options):
    chosen = [c for c in checks if (c.quick or not options.quick) and not c.named or options.only]
    if options.only:
        chosen = [c for c in chosen if any(p in c.name for p in options.only)]
    by_name = {c.name: c for c in checks}
    wanted = set()

    def want(check):
        if check.name not in wanted:
            wanted.add(check.name)
            for need in check.needs:
                want(by_name[need])

    for check in chosen:
        want(check)
    return [c for c in checks if c.name in wanted]


class Runner:
    def __init__(self):
        self.total = Result()
        self.broken = set()  # names of checks that others need and that failed
        self.lock = threading.Lock()
        self.used = 0.0  # processor seconds of all checks

    def one(self, check):
        missing = [need for need in check.needs if need in self.broken]
        started = time.monotonic()
        account = execute.Account()
        execute.charge(account)
        check.log.unlink(missing_ok=True)
        if missing:
            result = Result(skipped=1, note=f"because {missing[0]} failed")
        else:
            try:
                result = check.function(check)
            except Exception as error:  # a defect of the runner itself must not pass for a test that was never there
                result = Result(failed=1, note=f"{type(error).__name__}: {error}")
        self.report(check, result, time.monotonic() - started, account.seconds)

    def report(self, check, result, seconds, used):
        word = "FAIL" if result.failed else "ok" if result.passed else "skip"
        count = result.passed + result.failed
        tests = f"  {count} tests" if count > 1 else ""
        note = f"  ({result.note})" if result.note else ""
        with self.lock:
            print(f"{word:4}  {check.name:28} {seconds:7.1f} s {used:7.1f} cpu  {check.why}{tests}{note}", flush=True)
            if result.failed:
                self.broken.add(check.name)
                log = check.log.relative_to(ROOT)
                print(f"----- the end of {log}\n{execute.tail(check.log, TAIL)}\n-----", flush=True)
            self.used += used
            self.total.passed += result.passed
            self.total.failed += result.failed
            self.total.skipped += result.skipped

    def run(self, checks, beside):
        futures = {}

        def when_possible(check):
            for need in check.needs:  # it has begun, as it was submitted before
                if need in futures:
                    futures[need].result()
            self.one(check)

        # One that waits most of its time leaves its processor to a third, unless it is to be alone.
        waiting = concurrent.futures.ThreadPoolExecutor(1)
        with concurrent.futures.ThreadPoolExecutor(beside) as pool, waiting:
            if beside > 1:
                futures = {check.name: waiting.submit(self.one, check) for check in checks if check.ahead}
            for check in checks:
                if not check.beside and check.name not in futures:
                    when_possible(check)
            others = [check for check in checks if check.beside]
            others.sort(key=lambda check: check.name.startswith("guest:"))  # the longest ones first
            for check in others:
                lane = waiting if check.waits and beside > 1 else pool
                futures[check.name] = lane.submit(when_possible, check)
            for future in futures.values():
                future.result()


class Stopped(Exception):
    pass


def main():
    options = parse()
    if options.elsewhere:
        argv = platforms.argv(options.system, [ROOT / "tests" / "run", *sys.argv[1:]])
        os.execv(argv[0], argv)
    if options.kernel:
        os.environ["VM_KERNEL"] = options.kernel  # what tests/vm/run takes when a test on the host names none
    checks = options.checks
    if options.list:
        for check in checks:
            print(f"{check.name:28} {'quick' if check.quick else 'full ':5}  {check.why}")
        return 0
    print("== packages: what the tests need of Debian, by tools/install-deps", flush=True)
    status = subprocess.run([ROOT / "tools" / "install-deps", "all"], check=False).returncode
    if status != 0:  # its last lines say why, and what to do
        return status

    def stop(number, _frame):
        raise Stopped(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    print(f"== {len(checks)} checks; logs in {LOGS.relative_to(ROOT)}", flush=True)
    started = time.monotonic()
    runner = Runner()
    # The main thread does nothing but wait, so that a signal never finds it with a lock in its hand.
    work = threading.Thread(target=runner.run, args=(checks, max(1, options.guests)), daemon=True)
    try:
        work.start()
        work.join()
    except Stopped as stopped:
        print(f"tests/run: stopped by signal {stopped.args[0]}; ending what runs", file=sys.stderr, flush=True)
        execute.stop_all()
        os._exit(128 + stopped.args[0])
    total = runner.total
    print(f"== {time.monotonic() - started:.0f} s in all; {runner.used:.0f} s of processor time", flush=True)
    print(f"{total.passed} passed, {total.failed} failed" + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
