#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The cycles of tests/bench/run --replication, on host1 of two guests: cycles-guest.py PLAN.json RESULTS.

host1 holds the volume, host2 its replica and, on another disk, the tree that rsync keeps up to date; both are reached
through the same ssh connection, which is open already. Both hosts have the same disks: /dev/vda is empty, the others show the
images twice each, in the plan's order. Writes a JSON object a line to RESULTS.
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from lib import systems  # noqa: E402
from replication import images  # noqa: E402

VOLUME, REPLICA = "v", "host2"
MOUNT = pathlib.Path("/run/zumastor/mount") / VOLUME
COPY = "/run/copy"  # where rsync's tree is mounted
STATE = pathlib.Path("/var/lib/zumastor/.state") / VOLUME / "replica.json"
CHANGED = 1000

run = systems.run


def there(*argv):
    """On the replica's host."""
    return run("ssh", REPLICA, shlex.join(map(str, argv)))


def open_connection():
    """One connection for all that go to the replica's host (ControlPath in ssh_config(5)), as who replicates often has it."""
    with open("/root/.ssh/config", "a", encoding="ascii") as config:
        config.write(f"Host {REPLICA}\n    ControlPath /run/ssh-%h\n")
    subprocess.run(["ssh", "-M", "-N", "-f", REPLICA], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)


# The guests' root is the host's, over a network file system: to open a program and its libraries takes as long as to run a
# short one. A server has its programs on a disk of its own, and in memory: so have the guests, of all that is used here.
LOCAL = """
for program in $(command -v ssh bash sh dmsetup rsync) /usr/sbin/sshd /lib/systemd/systemd-udevd; do
    touch $(ldd $program | grep -o '/[^ ]*' | xargs readlink -f) $(readlink -f $program)
done
touch $(ldd $(command -v zumastor) $(command -v ddsnapd) | grep -o '/lib[^ ]*' | xargs readlink -f | sort -u)
"""


def have_programs_here():
    """A file that is touched is copied to the upper layer of the guest's root, which is memory."""
    run("bash", "-c", LOCAL)
    there("bash", "-c", LOCAL)


def say(message):
    print(f"[{time.monotonic():6.0f} s] {message}", flush=True)


def snapshots():
    return json.loads(run("zumastor", "status", VOLUME, "--json"))["volumes"][0]["snapshots"]


def seed():
    """What a first full transfer leaves behind, where both sides have the same content already."""
    base = snapshots()[-1]["uuid"]
    control = systems.Control(f"/run/zumastor/{VOLUME}/server.sock")
    lineage = control.ask("status")["volume"]["uuid"]
    control.close()
    there("python3", __file__, "--take-over", base, lineage)


def take_over(base, lineage):
    control = systems.Control(f"/run/zumastor/{VOLUME}/server.sock")
    control.ask("create", uuid=base, name="", tag="replicate", created_ns=time.time_ns())
    control.close()
    STATE.parent.mkdir(parents=True, exist_ok=True)
    STATE.write_text(json.dumps({"version": 1, "lineage": lineage, "last": base, "reception": None}), encoding="utf-8")


class Case:
    """One image: a volume, its replica, and rsync's copy."""

    def __init__(self, number, what):
        self.what = what
        self.disk, self.copy = (f"/dev/vd{chr(ord('b') + 2 * number + n)}" for n in range(2))

    def __enter__(self):
        define = ("zumastor", "define", "volume", VOLUME, self.disk, "/dev/vda", "--initialize", "--yes")
        run(*define)
        run("zumastor", "snapshot", VOLUME)  # before anything is written: both sides are the same
        there(*define)
        seed()
        there("zumastor", "define", "source", VOLUME, "host1", "--yes")
        run("zumastor", "define", "master", VOLUME, "--no-snapmount")
        run("zumastor", "define", "target", VOLUME, REPLICA)
        there("mkdir", "-p", COPY)
        there("mount", self.copy, COPY)
        return self

    def __exit__(self, *exception):
        there("umount", COPY)
        for where in (there, run):
            where("zumastor", "forget", "volume", VOLUME)

    def change(self, repeat):
        """4 KiB in each of a thousand files, every one in a chunk of its own; the same files whatever the image."""
        for number in range(CHANGED):
            path = MOUNT / images.path_of(10 * number + repeat % 10)
            with open(path, "r+b", buffering=0) as file:
                file.write(os.urandom(images.FILE_BYTES))
        run("sync", "-f", MOUNT)

    def compare(self):
        """The replica shows what the master has; rsync's copy has it, too."""
        sums = [f"cd {where} && find . -type f -path './000*' -print0 | sort -z | xargs -0 cat | sha256sum"
                for where in (MOUNT, COPY, MOUNT)]
        here, copied = run("bash", "-c", sums[0]), there("bash", "-c", sums[1])
        replica = there("bash", "-c", sums[2])
        if not here == copied == replica:
            raise RuntimeError(f"{self.what}: the copies differ: {here} {copied} {replica}")

    def ours(self):
        done = subprocess.run(["zumastor", "replicate", VOLUME, REPLICA, "--json"], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"zumastor replicate: status {done.returncode}\n{done.stderr}")
        end = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")][-1]
        return {"bytes_done": end["bytes_done"], "stream_bytes": end["stream_bytes"], "stream_seconds": end["seconds"]}

    def rsync(self):
        run("rsync", "-a", "--delete", "-e", "ssh", f"{MOUNT}/", f"{REPLICA}:{COPY}/")
        return {}

    def compete(self, repeat, caches, results):
        """The same change for both, in turn the one and the other first."""
        self.change(repeat)
        systems_here = ["ours", "rsync"] if self.what["rsync"] else ["ours"]
        for system in systems_here if repeat % 2 == 0 else reversed(systems_here):
            results.write(json.dumps(self.measure(system, repeat, caches)) + "\n")

    def forget_trees(self):
        """Nothing of the filesystems stays in memory. Programs do: a server that replicates has them there."""
        run("umount", MOUNT)
        run("zumastor", "start", "master", VOLUME)
        there("umount", COPY)
        there("mount", self.copy, COPY)

    def measure(self, system, repeat, caches):
        if caches == "cold":
            self.forget_trees()
        before = sent_bytes()
        started = time.monotonic()
        more = getattr(self, system)()
        seconds = time.monotonic() - started
        say(f"{self.what['files']:9,} files, {self.what['gib']:3} GiB, {caches} {system:6} {seconds:7.1f} s {more}")
        return {"stage": "cycle", **self.what, "system": system, "caches": caches, "repeat": repeat, "seconds": seconds,
                "network_bytes": sent_bytes() - before, **more}


def sent_bytes():
    """By this host to the other: everything, ssh included."""
    card = next(p for p in pathlib.Path("/sys/class/net").iterdir() if p.name != "lo")
    return int((card / "statistics/tx_bytes").read_text(encoding="ascii"))


def main():
    plan = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    open_connection()
    have_programs_here()
    run("modprobe", "dm-ddsnap")
    there("modprobe", "dm-ddsnap")
    with open(sys.argv[2], "w", encoding="utf-8", buffering=1) as results:
        for number, what in enumerate(plan["cases"]):
            with Case(number, what) as case:
                case.change(9)
                case.ours()  # what mounting has changed goes with this one
                for caches, repeats in plan["repeats"].items():  # cold ones first: after them caches are warm
                    for repeat in range(repeats):
                        case.compete(repeat, caches, results)
                if what["rsync"]:
                    case.compare()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--take-over"]:
        take_over(*sys.argv[2:4])
    else:
        main()
