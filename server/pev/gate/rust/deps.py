"""The check `deps` of Rust: what did the change do to Cargo.toml and Cargo.lock, and is any of it bad?

All of it is read as data. A change that touches none of it needs no advisory service.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import ClassVar, Final

from pev.findings import Effect, Finding, Severity
from pev.gate.advised import audited, vendored_findings
from pev.gate.demands import Language, joined
from pev.gate.interface import Check, CheckJob, FindingMaker, Measured
from pev.gate.osv import OsvAuditor
from pev.gate.rust.lockfile import Asked, Locked, read_asked, read_lock
from pev.models import ObjectId

_ECOSYSTEM: Final = "crates.io"
_NOT_OURS: Final = {"vendor", "target"}


@dataclass(frozen=True, slots=True)
class _State:
    """What one side declares. `faults` are files that cannot be read."""

    locked: tuple[Locked, ...] = ()
    asked: tuple[Asked, ...] = ()
    has_lock: bool = False
    faults: frozenset[str] = field(default_factory=frozenset)

    def checksums(self) -> Mapping[tuple[str, str, str], str]:
        """Give the checksums of packages by name, version and source."""
        return {(one.name, one.version, one.source): one.checksum for one in self.locked}


class RustDeps(Check):
    """An audit of the crates that a change adds or alters."""

    name = "deps"
    language: ClassVar[Language | None] = Language.RUST
    weight: ClassVar[int] = 30
    knows_base: ClassVar[bool] = True

    def __init__(self, auditor: OsvAuditor) -> None:
        self._auditor = auditor

    async def run(self, job: CheckJob) -> Measured:
        """List vulnerable, redirected and unlocked crates that are new; without a base, all of them."""
        new = await _state(job, job.tree)
        old = await _state(job, job.base_tree) if job.base_tree else _State()
        make = job.maker(self.name)
        remedy = "Let a person compare them with `cargo vendor`."
        what = "vendored crates, whose checksums stand beside them,"
        vendored = vendored_findings(job, make, joined(job.root, "vendor"), what, remedy)
        findings = [*_asked(make, old, new, job), *_locked(make, old, new, job), *vendored]
        pins = _pins(new) - _pins(old)
        if not pins and not findings:
            return Measured(reason="no dependency changed; the base's own state was not audited")
        audit = await self._auditor.audit(_ECOSYSTEM, sorted(pins), job.clock)
        return audited(make, audit, lambda _: joined(job.root, "Cargo.lock"), "crate", found=findings)


def _pins(state: _State) -> set[tuple[str, str]]:
    return {(one.name, one.version) for one in state.locked if one.source}


async def _state(job: CheckJob, tree: ObjectId) -> _State:
    depot = job.request.depot
    paths = [
        entry.path
        for entry in await depot.entries(tree)
        if PurePosixPath(entry.path).name == "Cargo.toml"
        and job.in_project(entry.path)
        and not _NOT_OURS & set(PurePosixPath(entry.path).parts)
    ]
    raw = await depot.read_blob(tree, joined(job.root, "Cargo.lock"))
    asked: list[Asked] = []
    faults = set()
    for path, text in sorted((await depot.read_blobs(tree, paths)).items()):
        found = read_asked(path, text)
        asked += found or ()
        faults |= {path} if found is None else set()
    locked = read_lock(raw)
    faults |= {joined(job.root, "Cargo.lock")} if locked is None else set()
    return _State(locked or (), tuple(asked), raw is not None, frozenset(faults))


def _asked(make: FindingMaker, old: _State, new: _State, job: CheckJob) -> Iterator[Finding]:
    """Give findings about what manifests ask for anew: where it comes from, and whether it is locked."""
    for path in sorted(new.faults - old.faults):
        yield make.make(
            "unreadable", f"{path} is not TOML as cargo reads it", path=path, remedy="Correct it."
        )
    known = [(one.manifest, one.name, dict(one.how)) for one in old.asked]
    names = {one.name for one in new.locked}
    had = {(one.manifest, one.name) for one in old.asked if one.origin != "path"}
    for one in new.asked:
        if (one.manifest, one.name, dict(one.how)) in known:
            continue
        swapped = one.origin == "path" and (one.manifest, one.name) in had
        if one.origin in ("git", "registry", "registry-index") or one.leaves() or swapped:
            origin = one.origin if one.origin != "path" else f"the path {one.how.get('path')}"
            yield make.make(
                "direct-requirement",
                f"{one.name} comes from {origin}, not from the registry",
                path=one.manifest,
                context=f"{one.name} {one.origin} {one.how.get(one.origin)}",
                remedy="Name a released version of the registry.",
            )
        elif not one.origin and new.has_lock and one.name not in names:
            yield make.make(
                "not-locked",
                f"{one.name} is not in Cargo.lock",
                path=one.manifest,
                context=one.name,
                remedy="Lock again, and commit Cargo.lock.",
            )
        elif not one.origin and not new.has_lock:
            yield make.make(
                "not-pinned",
                f"{one.name} is asked for, and there is no Cargo.lock",
                path=one.manifest,
                context=one.name,
                severity=Severity.NOTE,
                effect=Effect.NOTES,
                remedy="Commit Cargo.lock.",
            )


def _locked(make: FindingMaker, old: _State, new: _State, job: CheckJob) -> Iterator[Finding]:
    """Give findings about what is locked anew: its source, and its checksum."""
    path, before = joined(job.root, "Cargo.lock"), old.checksums()
    for one in new.locked:
        key = (one.name, one.version, one.source)
        said = f"{one.name} {one.version}"
        if before.get(key) == one.checksum or not one.source:
            continue
        if not one.central:
            yield make.make(
                "foreign-source",
                f"{said} is locked to {one.source}, not to the registry",
                path=path,
                context=f"{said} {one.source}",
                remedy="Use a released version of the registry.",
            )
        elif key in before:
            yield make.make(
                "checksum-changed",
                f"{said} has another checksum than before",
                path=path,
                context=said,
                remedy="Restore Cargo.lock: a released version never changes.",
            )
        elif not one.sound:
            yield make.make(
                "no-checksum",
                f"{said} has no proper checksum in Cargo.lock",
                path=path,
                context=said,
                remedy="Lock again with cargo.",
            )
    if old.has_lock and not new.has_lock:
        yield make.make(
            "lock-removed",
            "Cargo.lock is gone, and nothing says which crates are used",
            path=path,
            effect=Effect.HOLDS,
            severity=Severity.WARNING,
            remedy="Restore Cargo.lock.",
        )
