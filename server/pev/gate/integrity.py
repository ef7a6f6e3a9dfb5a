"""The check that is always on: what a change does to the ground that the other checks stand on.

Protected files, suppressions, tests that vanish or get weaker, modules that shadow tools, links that lead
out. It only reads, so it needs no trust, and no policy can leave it out.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from anyio import to_thread

from pev.findings import Effect, Finding, Severity
from pev.gate.awareness import signs_of
from pev.gate.changed import Changed, changed_files
from pev.gate.contents import find_credentials, look_into
from pev.gate.contract import plan_findings
from pev.gate.demands import ALWAYS, Language
from pev.gate.face import Face
from pev.gate.faces import FACES, PYTHON, belongs_to_tests, face_of, is_any_test_file
from pev.gate.idle import idle_ones
from pev.gate.interface import Check, CheckJob, FindingMaker, Measured
from pev.gate.intruders import find_intruders, link_fault
from pev.gate.subjects import Test
from pev.gate.suppressions import Suppression, new_ones
from pev.gate.survey import survey
from pev.gate.widened import Sides, widened_ones
from pev.repos.objects import Status

_SUPPRESSED: Final = "Fix what the tool reports instead, or let a person allow this one finding."
_TEST_HELP: Final = "Restore the test, or have the plan name this file; a person can also allow it."


@dataclass(frozen=True, slots=True)
class Pair:
    """A changed source file, before and after; None where it does not exist."""

    path: str
    old_path: str | None
    old: str | None
    new: str | None
    face: Face


class Integrity(Check):
    """Compares the change with its base, file by file."""

    name = ALWAYS
    weight: ClassVar[int] = 100
    whole: ClassVar[bool] = True
    language: ClassVar[Language | None] = None

    async def run(self, job: CheckJob) -> Measured:
        """List what the change does to tests, suppressions and the tools' ground."""
        if job.base_tree is None:
            return Measured(reason="there is no base to compare with")
        make = job.maker(self.name)
        placed = {entry.path for entry in await job.request.depot.entries(job.request.snapshot)}
        findings = [*await _links(job, make)]
        pairs: list[Pair] = []
        async for file in changed_files(job, job.base_tree):
            pairs += _pair(file)
            findings += await to_thread.run_sync(_look, job, make, file, placed)
        findings += await _suppressed(job, make, pairs)
        findings += await to_thread.run_sync(lambda: list(_compare(job, make, pairs)))
        findings += self._intruders(job, make, placed)
        findings += plan_findings(job, make)
        return Measured(findings=tuple(findings), reason=f"{len(job.changes)} changed files compared")

    def _intruders(self, job: CheckJob, make: FindingMaker, present: Collection[str]) -> list[Finding]:
        added = [change.path for change in job.changes if change.status in (Status.ADDED, Status.RENAMED)]
        roots = {project.root for project in job.policy.projects}
        roots |= {"src" if root == "." else f"{root}/src" for root in roots}
        return [
            make.make(one.rule, one.message, path=one.path, remedy=one.help, effect=one.effect)
            for one in find_intruders(added, present, roots)
        ]


def _look(job: CheckJob, make: FindingMaker, file: Changed, placed: Collection[str]) -> list[Finding]:
    """Look into a changed file, of whatever kind."""
    if file.new is None:
        return []
    old, new = file.old_text or "", file.new_text or ""
    seen = look_into(file.path, old, new) if "\0" not in new else find_credentials(file.path, old, new)
    found = [
        make.make(one.rule, one.what, path=file.path, line=one.line, effect=one.effect, remedy=one.help)
        for one in seen
    ]
    return [*found, *survey(job, make, file, placed)]


def _pair(file: Changed) -> list[Pair]:
    """Give both sides of a source file; nothing for a file that is none."""
    face = face_of(file.path) or face_of(file.old_path or "")
    return [Pair(file.path, file.old_path, file.old_text, file.new_text, face)] if face else []


async def _links(job: CheckJob, make: FindingMaker) -> list[Finding]:
    changed = {change.path for change in job.changes if change.status is not Status.DELETED}
    out = []
    for entry in await job.request.depot.entries(job.request.snapshot):
        if entry.path not in changed:
            continue
        fault = ""
        if entry.mode == "160000":
            fault = f"{entry.path} is a submodule, whose content no check sees"
        elif entry.mode == "120000":
            target = await job.request.depot.read_blob(job.request.snapshot, entry.path) or b""
            fault = link_fault(entry.path, target.decode("utf-8", "replace"))
        if fault:
            out.append(make.make("link", fault, path=entry.path, remedy="Replace it by plain files."))
    return out


async def _suppressed(job: CheckJob, make: FindingMaker, pairs: list[Pair]) -> list[Finding]:
    """List new suppressions. Those that hide nothing are told; in a planned file a person decides."""
    texts = {pair.path: pair.new or "" for pair in pairs}
    fresh: dict[str, list[Suppression]] = {}
    for face in FACES:
        sides = {pair.path: (pair.old, pair.new or "") for pair in pairs if pair.face is face}
        fresh |= await to_thread.run_sync(new_ones, sides, face.suppressions)
    idle = await idle_ones(job, fresh, texts)
    out = []
    for path, one in ((path, one) for path, every in fresh.items() for one in every):
        hides = (path, one) not in idle
        effect = Effect.HOLDS if _planned(job, path) else Effect.BLOCKS
        out.append(
            make.make(
                f"new-{one.kind}",
                f"new suppression: {one.text}" + ("" if hides else "; it hides nothing from this gate"),
                path=path,
                line=one.line,
                context=f"{one.text} {one.code}",
                severity=Severity.ERROR if hides else Severity.NOTE,
                effect=effect if hides else Effect.NOTES,
                remedy=_SUPPRESSED,
            )
        )
    return [*out, *await _widened(job, make, pairs)]


async def _widened(job: CheckJob, make: FindingMaker, pairs: list[Pair]) -> list[Finding]:
    """List old suppressions that hide something new, because their statement was edited."""
    files = {
        pair.path: Sides(pair.old_path or pair.path, pair.old, pair.new)
        for pair in pairs
        if pair.face is PYTHON and pair.old is not None and pair.new is not None
    }
    return [
        make.make(
            f"new-{one.kept.new.kind}",
            f"old suppression, and what it hides is new: {one.kept.new.text}: {one.message}",
            path=one.kept.path,
            line=one.kept.new.line,
            context=f"{one.kept.new.text} {one.kept.new.code} {one.rule} {one.message}",
            effect=Effect.HOLDS if _planned(job, one.kept.path) else Effect.BLOCKS,
            remedy=_SUPPRESSED,
        )
        for one in await widened_ones(job, files)
    ]


def _compare(job: CheckJob, make: FindingMaker, pairs: list[Pair]) -> Iterator[Finding]:
    tests = {pair.path: (_tests(pair.old_path, pair.old), _tests(pair.path, pair.new)) for pair in pairs}
    yield from _lost_tests(job, make, tests)
    yield from _aware(make, pairs)


def _aware(make: FindingMaker, pairs: list[Pair]) -> Iterator[Finding]:
    """List product code that came to know of the test runner."""
    for pair in pairs:
        if belongs_to_tests(pair.path) or not pair.new:
            continue
        if pair.face is PYTHON:
            signs = [(one.line, one.what) for one in signs_of(pair.old or "", pair.new)]
        else:
            known = {what for _, what in pair.face.aware(pair.old or "")}
            signs = [(line, what) for line, what in pair.face.aware(pair.new) if what not in known]
        for line, what in signs:
            yield make.make(
                "knows-of-tests",
                f"code that is no test {what}",
                path=pair.path,
                line=line,
                effect=Effect.HOLDS,
                remedy="Keep what only tests need in the tests; a person can allow this.",
            )


def _tests(path: str | None, text: str | None) -> dict[str, Test] | None:
    face = face_of(path or "")
    if path is None or text is None or face is None or not (face.inline or is_any_test_file(path)):
        return {}
    return face.inventory(text)


def _lost_tests(
    job: CheckJob,
    make: FindingMaker,
    tests: Mapping[str, tuple[dict[str, Test] | None, dict[str, Test] | None]],
) -> Iterator[Finding]:
    """List tests of the base that are gone, shadowed, skipped or weaker now."""
    added: dict[tuple[str, str], int] = {}
    for old, new in tests.values():
        for name, test in (new or {}).items():
            if name not in (old or {}):
                added[(name, test.body)] = added.get((name, test.body), 0) + 1
    renamed = {body for _, body in added}
    for path, (old, new) in tests.items():
        if new is None:
            yield make.make(
                "unreadable-tests", f"{path} cannot be parsed", path=path, remedy="Correct its syntax."
            )
            continue
        for name, was in (old or {}).items():
            now = new.get(name)
            if now is not None:
                yield from _changed_test(job, make, path, was, now)
            elif (name, was.body) in added or was.body in renamed:
                continue
            else:
                yield _lost(job, make, "test-removed", f"test {name} is gone", path, name)


def _changed_test(job: CheckJob, make: FindingMaker, path: str, was: Test, now: Test) -> Iterator[Finding]:
    if now.duplicates > was.duplicates:
        yield _lost(
            job,
            make,
            "test-shadowed",
            f"test {now.name} is defined twice: only the last runs",
            path,
            now.name,
        )
    if now.skips > was.skips:
        yield make.make(
            "test-skipped",
            f"test {now.name} is skipped or expected to fail",
            path=path,
            line=now.line,
            context=now.name,
            remedy=_TEST_HELP,
            effect=Effect.HOLDS if _planned(job, path) else Effect.BLOCKS,
        )
    weaker = len(now.asserts) < len(was.asserts) or any(
        mine < theirs for mine, theirs in zip(now.asserts, was.asserts, strict=False)
    )
    if was.body != now.body and weaker:
        yield _lost(
            job, make, "test-weakened", f"test {now.name} asserts less than before", path, now.name, now.line
        )


def _planned(job: CheckJob, path: str) -> bool:
    return job.request.plan is not None and job.request.plan.covers(path)


def _lost(
    job: CheckJob, make: FindingMaker, rule: str, message: str, path: str, name: str, line: int | None = None
) -> Finding:
    """Make a finding about a test that proves less; an approved plan that names the file makes it a note."""
    planned = _planned(job, path)
    return make.make(
        rule,
        message + ("; the approved plan names this file" if planned else ""),
        path=path,
        line=line,
        context=name,
        severity=Severity.NOTE if planned else Severity.WARNING,
        effect=Effect.NOTES if planned else Effect.HOLDS,
        remedy=_TEST_HELP,
    )
