"""Findings about how packages are asked for and locked: from where, under which name, with which hash."""

import re
from collections.abc import Iterator
from typing import Final

from pev.findings import Effect, Finding, Severity
from pev.gate.interface import FindingMaker
from pev.gate.javascript.asked import Asked, Sides
from pev.gate.javascript.packages import Locked, is_foreign
from pev.gate.javascript.popular import twin_of
from pev.gate.javascript.versions import satisfies

_DIRECT: Final = "Name a released version from the registry."
_INDEX: Final = "Use the registry that the operator configured, and lock again."
_LOCK: Final = "Lock again (npm install --package-lock-only), and commit the lock file."
_LOCAL: Final = re.compile(r"(?:workspace|link|portal|catalog):")


def form_findings(make: FindingMaker, sides: Sides, host: str) -> list[Finding]:
    """List what is wrong with the form of what is new; `host` is that of the registry in force."""
    return [
        *_direct(make, sides),
        *_unlocked(make, sides),
        *_locked(make, sides, host),
        *_named(make, sides),
    ]


def _direct(make: FindingMaker, sides: Sides) -> Iterator[Finding]:
    """Name specifiers that do not come from a registry, or that ask for another package than they say."""
    for path, asked in sides.new.asked.items():
        before = sides.old.asked.get(path, {})
        for name, spec in asked.items():
            if before.get(name) == spec:
                continue
            text = f"{name}: {spec}"
            if is_foreign(spec):
                message = f"{text} does not come from a registry"
                yield make.make("direct-requirement", message, path=path, context=text, remedy=_DIRECT)
            elif spec.startswith("npm:") and spec.removeprefix("npm:").rpartition("@")[0] not in ("", name):
                message = f"{text} installs another package under this name"
                yield _held(
                    make, "aliased-package", message, path, text, "Ask for the package by its own name."
                )
    for line in sides.new.overrides:
        if line not in sides.old.overrides and is_foreign(line.rpartition(": ")[2]):
            message = f"{line} does not come from a registry"
            path = line.partition(" ")[0]
            yield make.make("direct-requirement", message, path=path, context=line, remedy=_DIRECT)


def _unlocked(make: FindingMaker, sides: Sides) -> Iterator[Finding]:
    """Name what a manifest asks for and the lock file does not know, or locks otherwise."""
    new = sides.new
    if new.lock is None or new.lock.fault:
        return
    same_lock = new.raw[:1] == sides.old.raw[:1]
    versions = {one.place.rpartition("node_modules/")[2]: one.version for one in reversed(new.lock.packages)}
    for path, asked in new.asked.items():
        rooted = new.rooted.get(path, {})
        for name, spec in asked.items():
            if sides.old.asked.get(path, {}).get(name) == spec and same_lock:
                continue
            version = versions.get(name)
            if _LOCAL.match(spec) or is_foreign(spec) or (version is None and name in _members(new)):
                continue
            if version is None or rooted.get(name) != spec or not satisfies(version, spec):
                message = f"{name} {spec} is not what the lock file holds"
                yield make.make("not-locked", message, path=path, context=f"{name} {spec}", remedy=_LOCK)


def _members(asked: Asked) -> set[str]:
    """Give the names of the packages of the repository itself: the last parts of their folders."""
    folders = asked.lock.members if asked.lock is not None else ()
    return {one.rpartition("/")[2] for one in folders} | {f"@{one}" for one in folders}


def _locked(make: FindingMaker, sides: Sides, host: str) -> Iterator[Finding]:
    """Name new entries of the lock file that come from elsewhere, carry no hash, or run scripts."""
    new, old = sides.new.lock, sides.old.lock
    if new is None:
        return
    known = {(one.place, one.version): one for one in (old.packages if old is not None else ())}
    by_pin = {one.pin: one for one in (old.packages if old is not None else ())}
    hosts = {one.host for one in known.values() if one.host} or _usual(new.packages if old is None else ())
    scripted = {one.name for one in known.values() if one.has_script}
    path = sides.new.lock_path
    for one in new.packages:
        was = known.get((one.place, one.version))
        if was == one:
            continue
        yield from _from_elsewhere(make, one, was, hosts | {host}, path, sure=bool(hosts))
        yield from _hashed(make, one, by_pin.get(one.pin), path)
        if one.has_script and one.name not in scripted:
            scripted.add(one.name)
            message = f"the new package {one.name} {one.version} runs scripts when it is installed"
            yield _held(make, "install-script", message, path, one.name, "Use a package without scripts.")


def _usual(packages: tuple[Locked, ...]) -> set[str]:
    """Give the host that most entries of a first lock file name: the registry in use."""
    hosts = [one.host for one in packages if one.host]
    return {max(sorted(set(hosts)), key=hosts.count)} if hosts else set()


def _from_elsewhere(
    make: FindingMaker, one: Locked, was: Locked | None, hosts: set[str], path: str, *, sure: bool
) -> Iterator[Finding]:
    if was is not None and was.resolved == one.resolved:
        return
    text = f"{one.name} {one.version} from {one.resolved}"
    if not one.is_registry:
        message = f"{text} does not come from a registry"
        yield make.make("direct-requirement", message, path=path, context=text, remedy=_DIRECT)
    elif one.resolved and (one.host not in hosts or one.resolved.startswith("http:")):
        message = f"{one.name} {one.version} is locked to another host: {one.host}"
        if sure:
            yield make.make("index-override", message, path=path, context=text, remedy=_INDEX)
        else:
            yield _held(make, "index-override", message, path, text, _INDEX)


def _hashed(make: FindingMaker, one: Locked, was: Locked | None, path: str) -> Iterator[Finding]:
    """Say where a hash is missing, or is another than the base's for the same version."""
    if was is not None and was.integrity and was.integrity != one.integrity:
        message = f"{one.name} {one.version} has another hash than on the base"
        yield make.make(
            "hash-changed", message, path=path, context=f"{one.place} {one.version}", remedy=_LOCK
        )
    elif not one.integrity and one.is_registry and not one.bundled and was is None:
        message = f"{one.name} {one.version} is locked without a hash"
        yield _held(make, "not-hashed", message, path, f"{one.place} {one.version}", _LOCK)


def _named(make: FindingMaker, sides: Sides) -> Iterator[Finding]:
    """Hold new packages whose names are nearly those of well-known ones."""
    for name in sorted(sides.new.names() - sides.old.names()):
        twin = twin_of(name)
        if twin is not None:
            message = f"the new package {name} is named nearly like {twin}, and is another"
            remedy = f"Use {twin}, if that is meant; a person can allow {name}."
            yield _held(make, "look-alike-name", message, sides.new.place_of(name), name, remedy)


def _held(
    make: FindingMaker, rule: str, message: str, path: str | None, context: str, remedy: str
) -> Finding:
    return make.make(
        rule,
        message,
        path=path,
        context=context,
        severity=Severity.WARNING,
        effect=Effect.HOLDS,
        remedy=remedy,
    )
