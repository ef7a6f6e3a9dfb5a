"""Looks at each changed file for what takes it out of the sight of the checks.

Files that no check reads although they run, types that are taken away, stubs that take the place of code,
suppressions in notebooks, and places from which packages come that nobody audits. All of these can be honest,
so they hold the change; an approved plan that names the file makes those about whole files notes.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pev.findings import Effect, Finding, Severity
from pev.gate.changed import MAX_BYTES, Changed
from pev.gate.contents import Seen
from pev.gate.demands import Language
from pev.gate.extracted import python_in
from pev.gate.faces import face_of
from pev.gate.installers import find_installs
from pev.gate.interface import CheckJob, FindingMaker
from pev.gate.opaque import what_is
from pev.gate.setup_script import outside_of_metadata
from pev.gate.slack import find_slack
from pev.gate.subjects import is_test_ground
from pev.gate.suppressions import new_ones
from pev.repos.objects import GITLINK, Change, Status

_LINK: Final = "120000"
_PYTHON: Final = (".py", ".pyi")
_UNREAD: Final = re.compile(r"environment[\w.-]*\.ya?ml|conda[\w.-]*lock[\w.-]*|meta\.yaml|pipfile(\.lock)?")
_ABOUT_CODE: Final = ("type-cast", "checker-only", "annotation-removed", "annotation-loosened")
_LET: Final = "a person can allow this, or an approved plan that names the file"


@dataclass(frozen=True, slots=True)
class Sides:
    """A changed file, the paths of its neighbours, and roots and languages of projects."""

    file: Changed
    placed: Collection[str]
    roots: Collection[str]
    languages: Collection[Language]

    @property
    def path(self) -> str:
        """Where it stands."""
        return self.file.path

    @property
    def new(self) -> bytes:
        """What stands there."""
        return self.file.new or b""


def survey(job: CheckJob, make: FindingMaker, file: Changed, placed: Collection[str]) -> list[Finding]:
    """List what a changed file keeps out of sight; `placed` are the paths of the tree."""
    if not _is_of_interest(file.change):
        return []
    roots = {project.root for project in job.policy.projects}
    languages = {project.language for project in job.policy.projects}
    sides = Sides(file, placed, roots, languages)
    return [_finding(job, make, file.path, one) for one in _look(sides)]


def _is_of_interest(change: Change) -> bool:
    if change.status is Status.DELETED or change.new_mode in (GITLINK, _LINK):
        return False
    return change.status is Status.ADDED or change.old_oid != change.new_oid or change.path.endswith(".pyi")


def _finding(job: CheckJob, make: FindingMaker, path: str, seen: Seen) -> Finding:
    about_code = seen.rule in _ABOUT_CODE or seen.rule.startswith("new-")
    planned = not about_code and job.request.plan is not None and job.request.plan.covers(path)
    return make.make(
        seen.rule,
        seen.what + ("; the approved plan names this file" if planned else ""),
        path=path,
        line=seen.line,
        severity=Severity.NOTE if planned else Severity.WARNING,
        effect=Effect.NOTES if planned else seen.effect,
        remedy=seen.help,
        context=seen.what,
    )


def _look(this: Sides) -> Iterator[Seen]:
    """List what one changed file keeps out of sight."""
    if kind := what_is(this.path, this.new):
        yield _held("opaque", f"{this.path} is {kind}, which no check can read", "Commit its source instead")
        return
    suffix = PurePosixPath(this.path).suffix
    if len(this.new) > MAX_BYTES and suffix in (*_PYTHON, ".ipynb"):
        message = f"{this.path} has {len(this.new)} bytes, more than are read for suppressions and tests"
        yield _held("too-large", message, "Keep data out of source files")
    if b"\0" in this.new:
        return
    yield from _language(this)
    old, new = this.file.old_text, this.file.new_text or ""
    if suffix in _PYTHON:
        yield from find_slack(this.path, old, new)
    else:
        yield from _elsewhere(this)
        yield from find_installs(this.path, old or "", new)
    yield from _place(this)


def _language(this: Sides) -> Iterator[Seen]:
    """Say that a file is in a language that no project of the policy has."""
    face = face_of(this.path)
    if face is not None and face.language not in this.languages:
        message = f"{this.path} is {face.language}, which no project of the policy is: no check runs on it"
        way = f'Name a project with language = "{face.language}" in the policy.'
        yield Seen("unread-language", 0, message, Effect.NOTES, way)


def _elsewhere(this: Sides) -> Iterator[Seen]:
    """List new suppressions in Python that stands in a file of another kind."""
    code = python_in(this.path, this.new)
    if code is None:
        return
    was = this.file.old
    old = python_in(this.file.old_path or this.path, was) if was is not None else None
    for found in new_ones({this.path: (old, code)}).get(this.path, ()):
        line = 0 if this.path.endswith(".ipynb") else found.line
        help_text = "Fix what the tool reports instead, or let a person allow this one finding."
        yield Seen(f"new-{found.kind}", line, f"new suppression: {found.text}", Effect.HOLDS, help_text)


def _place(this: Sides) -> Iterator[Seen]:
    """Say what the place of a file means: a stub, a project that nobody named, a script that builds."""
    pure = PurePosixPath(this.path)
    if pure.suffix == ".pyi" and not (this.file.old_path or "").endswith(".pyi"):
        message = f"{this.path} is a new stub: the type checker reads it in place of the code"
        yield _held("stub-for-code", message, "Write the types into the code")
    folder = pure.parent.as_posix()
    is_module = f"{folder}/__init__.py" in this.placed
    if pure.name in ("pyproject.toml", "setup.py") and this.file.old is None and not is_module:
        message = f"{this.path} makes a project that the policy does not name"
        if folder not in this.roots and not is_test_ground(this.path):
            yield _held("unnamed-project", message, "Name its folder in the policy")
    if pure.name == "setup.py" and not is_module and not is_test_ground(this.path):
        now = outside_of_metadata(this.new)
        if now is None or now != outside_of_metadata(this.file.old):
            message = f"{this.path} does more than to name plain metadata, and runs whenever it is installed"
            yield _held("setup-script", message, "Declare it in pyproject.toml")
    if _UNREAD.fullmatch(pure.name.lower()):
        message = f"{this.path} may declare packages, and the check `deps` does not read its kind"
        yield _held("unread-declaration", message, "Declare them in pyproject.toml or a requirements file")


def _held(rule: str, message: str, way: str) -> Seen:
    return Seen(rule, 0, message, Effect.HOLDS, f"{way}; {_LET}.")
