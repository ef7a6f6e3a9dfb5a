"""The check `deps`: what did the change do to the requirements, and is any of that known to be vulnerable?

It looks at declared and locked requirements of both sides as data. A change that touches none needs no
database. What is pinned is audited as pinned; what is not is resolved from wheels first.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pev.errors import EnvironmentUnavailable
from pev.findings import Effect, Finding, Severity
from pev.gate.advised import audited
from pev.gate.audit import Auditor, pin_of
from pev.gate.environment import Environments
from pev.gate.interface import Check, CheckJob, FindingMaker, Measured
from pev.gate.locks import OTHERS, WHOLE
from pev.gate.lookalikes import twin_of
from pev.gate.manifests import other_manifests
from pev.gate.reading import reader_of
from pev.gate.requirements import Declared, read_declared
from pev.gate.syntax import grow_requirement
from pev.models import ObjectId

_INDEX_HELP: Final = "Use the index that the operator configured."
_DIRECT_HELP: Final = "Name a released version from the package index."


@dataclass(frozen=True, slots=True)
class _Sides:
    """The requirements of both sides; `old` is empty where there is no base.

    `place` names what declares them if it is not the project itself.
    """

    new: Declared
    old: Declared
    place: str = ""

    def fresh(self, field: str) -> list[str]:
        """Give what stands in a field now and did not before."""
        before = set(getattr(self.old, field))
        return [one for one in getattr(self.new, field) if one not in before]

    def equal(self) -> bool:
        """Say whether both sides ask for the same."""
        fields = ("wanted", "constraints", "direct", "indexes", "locked", "faults")
        return all(
            _unordered(getattr(self.new, name)) == _unordered(getattr(self.old, name)) for name in fields
        )


class Deps(Check):
    """An audit of the requirements that a change adds or alters."""

    name = "deps"
    weight: ClassVar[int] = 30
    tools: ClassVar[tuple[str, ...]] = ("pip-audit", "uv")
    knows_base: ClassVar[bool] = True

    def __init__(self, auditor: Auditor, environments: Environments) -> None:
        self._auditor = auditor
        self._environments = environments

    async def run(self, job: CheckJob) -> Measured:
        """List vulnerable, direct and redirected requirements that are new; without a base, all of them."""
        everything = [one for one in await _read_sides(job) if job.base_tree is None or not one.equal()]
        if not everything:
            return Measured(reason="no dependency changed; the base's own state was not audited")
        make = job.maker(self.name)
        pins: set[tuple[str, str]] = set()
        findings: list[Finding] = []
        unmeasured: str | None = None
        for sides in everything:
            fresh, fault = await self._fresh(sides)
            pins |= fresh
            findings += _form_findings(make, sides)
            if fault and sides.place:
                findings.append(_unread(make, sides.place, fault))
            unmeasured = unmeasured or (None if sides.place else fault)
        audit = await self._auditor.audit(pins, job.clock)
        places = [sides.new for sides in everything]
        return audited(
            make,
            audit,
            lambda name: _declared_in(places, name),
            "package",
            found=findings,
            unmeasured=unmeasured,
        )

    async def _fresh(self, sides: _Sides) -> tuple[set[tuple[str, str]], str | None]:
        """Give what is installed now and was not before, and what kept it from being known."""
        pins, fault = await self._pins(sides.new)
        known, _ = await self._pins(sides.old)
        return pins - known, next(iter(sides.fresh("faults")), None) or fault

    async def _pins(self, declared: Declared) -> tuple[set[tuple[str, str]], str | None]:
        """Give what a side installs: what is pinned as it is, what is locked, and the rest resolved."""
        pins = {pin for line in declared.wanted if (pin := pin_of(line))}
        pins |= {(name, version) for name, versions in declared.locked.items() for version in versions}
        named = {name for name, _ in pins}
        if declared.has_lock and declared.names() <= named:
            return pins, None
        try:
            resolved = await self._environments.resolve(declared.wanted, declared.constraints)
        except EnvironmentUnavailable as exc:
            return pins, str(exc)
        found = {pin for line in resolved if (pin := pin_of(line))}
        return pins | {pin for pin in found if pin[0] not in named}, None


async def _read_sides(job: CheckJob) -> list[_Sides]:
    """Read the project, and the other places of the change that declare something."""
    new = await _read(job, job.tree)
    if job.base_tree is None:
        return [_Sides(new, Declared())]
    others = [_Sides(one.new, one.old, one.place) for one in await other_manifests(job)]
    return [_Sides(new, await _read(job, job.base_tree)), *others]


async def _read(job: CheckJob, tree: ObjectId) -> Declared:
    return await read_declared(await reader_of(job.request.depot, tree), job.root, None)


def _unordered(value: object) -> object:
    return frozenset(value) if isinstance(value, tuple) else value


def _unread(make: FindingMaker, place: str, fault: str) -> Finding:
    return make.make(
        "not-audited",
        f"not all that {place} asks for could be audited: {fault}",
        path=place,
        context=place,
        severity=Severity.WARNING,
        effect=Effect.HOLDS,
        remedy="Name versions that can be had here, or let a person allow it.",
    )


def _form_findings(make: FindingMaker, sides: _Sides) -> list[Finding]:
    """Give findings about where requirements come from, and whether the lock file follows."""
    found = [
        make.make(
            "direct-requirement",
            f"{line} does not come from a package index",
            path=sides.new.where.get(line),
            context=line,
            remedy=_DIRECT_HELP,
        )
        for line in sides.fresh("direct")
    ]
    found += [
        make.make(
            "index-override",
            f"{line} points at another package index",
            path=sides.new.where.get(line),
            context=line,
            remedy=_INDEX_HELP,
        )
        for line in sides.fresh("indexes")
        if sides.old.locks or sides.place or line.split(" ")[0] not in (*WHOLE, *OTHERS)
        # the first lock file of a project names the index that is in use
    ]
    found += _twins(make, sides)
    for line in sides.fresh("wanted"):
        one = grow_requirement(line)
        name = canonicalize_name(one.name)
        if sides.new.has_lock and not _locked(sides.new, one, name):
            found.append(
                make.make(
                    "not-locked",
                    f"{line} is not in the lock file",
                    path=sides.new.where.get(line),
                    context=line,
                    remedy="Lock again, and commit the lock file.",
                )
            )
        elif not one.specifier and not sides.new.has_lock:
            found.append(
                make.make(
                    "not-pinned",
                    f"{line} names no version",
                    path=sides.new.where.get(line),
                    context=line,
                    severity=Severity.NOTE,
                    effect=Effect.NOTES,
                    remedy="Name the versions that are known to work.",
                )
            )
    return found


def _twins(make: FindingMaker, sides: _Sides) -> list[Finding]:
    """Hold new packages whose names are nearly those of well-known ones."""
    before = sides.old.names() | sides.old.locked.keys()
    names = {*sides.new.names(), *sides.new.locked} - before
    return [
        make.make(
            "look-alike-name",
            f"the new package {name} is named nearly like {twin}, and is another",
            path=_place(sides.new, name),
            context=name,
            severity=Severity.WARNING,
            effect=Effect.HOLDS,
            remedy=f"Use {twin}, if that is meant; a person can allow {name}.",
        )
        for name in sorted(names)
        if (twin := twin_of(name)) is not None
    ]


def _locked(declared: Declared, one: Requirement, name: str) -> bool:
    return any(one.specifier.contains(version, prereleases=True) for version in declared.locked.get(name, ()))


def _place(declared: Declared, package: str) -> str | None:
    """Give the file in which a package is declared, or None if another one brings it."""
    for line in declared.wanted:
        if canonicalize_name(grow_requirement(line).name) == package:
            return declared.where.get(line)
    return declared.where.get(f"{package} (locked)")


def _declared_in(places: list[Declared], package: str) -> str | None:
    """Give the file in which a package is declared, in the first place that names it."""
    return next((place for side in places if (place := _place(side, package))), None)
