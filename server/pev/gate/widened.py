"""Finds the old suppressions that hide more than they did: the code that they stand on was edited.

A suppression of the base is nobody's fault now, and what it hid is old. Where the change edits its statement,
the tool is run without it on both sides; what it then says of the change alone is new. So is what cannot be
measured without the suppression: nobody knows then what it hides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pev.findings import Finding
from pev.gate.aging import plain
from pev.gate.interface import Check, CheckJob, Side
from pev.gate.lint import Lint
from pev.gate.security import Security
from pev.gate.suppressions import Suppression, kept_ones
from pev.gate.types import Types
from pev.gate.unsuppressed import look_without, reach, wanting

_TOOLS: Final[Mapping[str, type[Check]]] = {"noqa": Lint, "type-ignore": Types, "nosec": Security}


@dataclass(frozen=True, slots=True)
class Sides:
    """A changed Python file on both sides: where it was, what it held, what it holds."""

    old_path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A suppression that both sides have, in a statement that the change edits."""

    path: str
    old: Suppression
    new: Suppression


@dataclass(frozen=True, slots=True)
class Widened:
    """An old suppression that hides something new: a finding's rule and message, or why that is not known."""

    kept: Kept
    rule: str
    message: str


def edited_ones(files: Mapping[str, Sides]) -> list[Kept]:
    """List the old suppressions of statements that a change edits."""
    out = []
    for path, file in files.items():
        for old, new, changed in kept_ones(file.old, file.new):
            alone = new.code.startswith("#")
            if new.kind in _TOOLS and not alone and not changed.isdisjoint(reach(new, file.new)):
                out.append(Kept(path, old, new))
    return out


async def widened_ones(job: CheckJob, files: Mapping[str, Sides]) -> list[Widened]:
    """Give those of the old suppressions that hide something new, each with what it hides."""
    kept = edited_ones(files)
    out: list[Widened] = []
    for kind, own, check in wanting(job, _TOOLS) if kept else ():
        mine = [one for one in kept if one.new.kind == kind and own.in_project(one.path)]
        if mine:
            out += await _widened(own, check, mine, files)
    return out


async def _widened(
    job: CheckJob, check: Check, kept: Sequence[Kept], files: Mapping[str, Sides]
) -> list[Widened]:
    now = {path: [one.new for one in kept if one.path == path] for path in {one.path for one in kept}}
    before = {files[path].old_path: [one.old for one in kept if one.path == path] for path in now}
    seen = await look_without(
        replace(job, side=Side.CANDIDATE), check, now, {path: files[path].new for path in now}
    )
    if seen.unmeasured is not None:
        return [
            Widened(one, check.name, f"without it nothing is measured: {seen.unmeasured}") for one in kept
        ]
    found = [(one, finding) for one in kept for finding in seen.findings if _speaks_for(one, finding, files)]
    if not found:
        return []
    texts = {files[path].old_path: files[path].old for path in now}
    then = await look_without(replace(job, side=Side.BASE), check, before, texts)
    old = Counter(
        _name(finding)
        for one in kept
        for finding in (then.findings if then.unmeasured is None else ())
        if finding.path == files[one.path].old_path and finding.line in reach(one.old, files[one.path].old)
    )
    out = []
    for one, finding in found:
        old[_name(finding)] -= 1
        if old[_name(finding)] < 0:
            out.append(Widened(one, finding.rule, finding.message))
    return out


def _speaks_for(one: Kept, finding: Finding, files: Mapping[str, Sides]) -> bool:
    return finding.path == one.path and finding.line in reach(one.new, files[one.path].new)


def _name(finding: Finding) -> tuple[str, str]:
    return finding.rule, plain(finding.message)
