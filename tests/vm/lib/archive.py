# SPDX-License-Identifier: GPL-2.0
"""Which packages make up a kernel in a package archive, and fetching them: by apt, never installed.

A kernel is its image with its headers, and what these depend on that belongs to a kernel: their common part, kbuild, and in
newer releases the modules and more. An archive does not get all of these at once (the image is signed, which takes its hours or
days), so each is looked up by itself, by the dependency that asks for it, among all versions that the archive has. What lacks
one of them is no complete kernel, and an older one is taken.

Everything is asked of apt's own programs, with the options that an Apt has: those of another system's folder, for instance.
"""

import dataclasses
import functools
import os
import pathlib
import re
import subprocess

from .common import HarnessError, run, say

# A kernel's own packages, among all that its image and headers depend on: linux-kbuild-6.1, linux-modules-7.3.4+deb13-amd64.
PART = re.compile(r"linux-(image|binary|modules|base|headers|kbuild)-\d\S*")
TERM = re.compile(r"\s*([^\s(:]+)(?::\w+)?(?:\s*\(\s*([<>=]+)\s*([^\s)]+)\s*\))?")


@dataclasses.dataclass(frozen=True)
class Package:
    name: str
    version: str
    depends: tuple  # of tuples of alternatives (name, relation or None, version or None)

    def __str__(self):
        return f"{self.name}={self.version}"


@dataclasses.dataclass(frozen=True)
class KernelSet:
    """All packages of one kernel, or what is missing of them."""
    release: str  # as uname -r prints it
    packages: tuple = ()
    missing: str | None = None


class Apt:
    """This system's apt, with its configuration."""

    def __init__(self):
        self.environment = os.environ | {"LC_ALL": "C"}

    def names(self, prefix):
        return self._query("pkgnames", prefix).split()

    def packages(self, names):
        """What the archive has of these names: {name: [Package, …]}, the newest version first."""
        found = {name: [] for name in names}
        text = self._query("show", *sorted(found)) if found else ""
        for record in text.split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", record, re.M))
            # What is installed, but not in the archive any more, is shown, too: without the name of a file.
            if fields.get("Package") in found and "Filename" in fields:
                depends = ", ".join(fields[f] for f in ("Pre-Depends", "Depends") if f in fields)
                found[fields["Package"]].append(Package(fields["Package"], fields["Version"], _parse(depends)))
        for versions in found.values():
            versions.sort(key=lambda package: by_version(package.version), reverse=True)
        return found

    def update(self):
        lists = pathlib.Path(self._setting("Dir::State::lists/d"))
        command = "apt-get update"
        if not os.access(lists if lists.exists() else lists.parent, os.W_OK):
            raise HarnessError(f"the package lists are absent or too old, and you may not write to {lists}",
                               remedy=f"as root: {command}")
        say("fetching the package lists (apt-get update)")
        # Without the first option apt takes a list that it could not fetch for a success.
        run(["apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "-o", "DPkg::Lock::Timeout=600", "update"],
            remedy=f"see that this machine reaches the package archive, then as root: {command}", env=self.environment)

    def download(self, packages, into):
        """The files of the packages into a folder, complete and checked, or an error."""
        run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=into,
            remedy="see that this machine reaches the package archive, and run the same command again", env=self.environment)

    def _query(self, *arguments, program="apt-cache"):
        # Its status says "none of these", too, which is an answer.
        return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False, env=self.environment).stdout

    def _setting(self, name):
        return self._query("shell", "x", name, program="apt-config").strip().removeprefix("x='").removesuffix("'")


HOST = Apt()


# --- dependencies ------------------------------------------------------------------------------------------------------

def _parse(depends):
    return tuple(tuple(TERM.match(term).groups() for term in alternatives.split("|"))
                 for alternatives in depends.split(",") if alternatives.strip())


def _compare(left, relation, right):
    return subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0


by_version = functools.cmp_to_key(lambda a, b: 0 if a == b else -1 if _compare(a, "<<", b) else 1)


def _satisfies(package, relation, version):
    return relation is None or _compare(package.version, relation, version)


class _Resolver:
    def __init__(self, apt):
        self.apt = apt
        self.known = {}

    def learn(self, names):
        """All there is of these, and of what they depend on, in a few queries: each reads the whole of apt's cache."""
        while absent := {name for name in names if name not in self.known}:
            found = self.apt.packages(absent)
            self.known |= found
            names = {term[0] for versions in found.values() for package in versions
                     for alternatives in package.depends for term in alternatives if PART.fullmatch(term[0])}

    def versions(self, name):
        self.learn([name])
        return self.known[name]

    def kernel_set(self, release, image, wanted):
        """`image`: its newest package; `wanted`: how the meta package asks for it, for when there is none."""
        if image is None:
            return KernelSet(release, missing=wanted)
        # The headers' version is the image's where there is a choice; but a name stands for one ABI, so any will do.
        name = f"linux-headers-{release}"
        headers = sorted(self.versions(name), key=lambda package: package.version != image.version)
        if not headers:
            return KernelSet(release, missing=name)
        reasons = []
        for candidate in headers:
            chosen = {image.name: image, candidate.name: candidate}
            missing = self._add_parts(chosen, image) or self._add_parts(chosen, candidate)
            if missing is None:
                return KernelSet(release, tuple(chosen.values()))
            reasons.append(missing)
        return KernelSet(release, missing=reasons[0])

    def _add_parts(self, chosen, package):
        """Adds what the package depends on; returns what cannot be had."""
        for alternatives in package.depends:
            alternatives = [a for a in alternatives if PART.fullmatch(a[0])]
            if not alternatives or any(a[0] in chosen and _satisfies(chosen[a[0]], *a[1:]) for a in alternatives):
                continue
            if not any(self._choose(chosen, package, *alternative) for alternative in alternatives):
                name, relation, version = alternatives[0]
                have = ", ".join(p.version for p in self.versions(name)) or "none"
                wanted = f"{name} ({relation} {version})" if relation else name
                return f"{wanted}, which {package.name} {package.version} needs (there is: {have})"
        return None

    def _choose(self, chosen, asking, name, relation, version):
        if name in chosen:  # in a version that does not do
            return False
        fitting = [p for p in self.versions(name) if _satisfies(p, relation, version)]
        # First what was built together with the package that asks, then the newest.
        for candidate in sorted(fitting, key=lambda package: package.version != asking.version):
            attempt = chosen | {name: candidate}
            if self._add_parts(attempt, candidate) is None:
                chosen.update(attempt)
                return True
        return False


def kernel_sets(apt, series, meta):
    """The kernels of a series ("6.1") in the archive, newest first, complete or not. `meta` may name one that is not there."""
    resolver = _Resolver(apt)
    pattern = re.compile(rf"linux-image-({re.escape(series)}\.[^-\s]+(?:-\d+)?-amd64)")
    asked = {}
    for package in resolver.versions(meta):
        for name, relation, version in (term for alternatives in package.depends for term in alternatives):
            if pattern.fullmatch(name):
                asked[name] = (f"{name} ({relation} {version})" if relation else name, version or package.version)
    names = sorted(set(asked) | {name for name in apt.names(f"linux-image-{series}.") if pattern.fullmatch(name)})
    resolver.learn([*names, *(name.replace("linux-image-", "linux-headers-", 1) for name in names)])
    found = []
    for name in names:
        images = resolver.versions(name)
        if images or name in asked:
            wanted, version = asked.get(name, (name, None))
            kernel = resolver.kernel_set(pattern.fullmatch(name).group(1), images[0] if images else None,
                                         f"{wanted}, which {meta} needs")
            found.append((by_version(images[0].version if images else version), kernel))
    return [kernel for _, kernel in sorted(found, key=lambda pair: pair[0], reverse=True)]
