"""The check `tests` for languages other than Python: what it demands, whatever runs the tests.

A subclass says how tests are started, how their report is read, and how code is broken on purpose. All else
is here: the base's tests face the change, new failures are confirmed, changed lines must be run, tests that
are written down must have been run, and with the changed code replaced the same run must go red.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import ClassVar, Final

from pev.errors import EnvironmentUnavailable, ProjectUnsupported, ToolMissing
from pev.findings import Effect, Finding, Severity
from pev.gate.contract import criteria_findings
from pev.gate.coverage import Lines, changed_lines_findings, spans, total_findings
from pev.gate.face import Face
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Measured, Side, Toolbox
from pev.gate.outputs import private_name, tree_changes
from pev.gate.preparing import is_blocked, set_up
from pev.gate.sabotage import Mutant, Unit
from pev.gate.testing_control import Control
from pev.gate.testing_oracle import face_base
from pev.gate.testing_room import Room, is_product
from pev.gate.testing_runs import Chosen, Failed, Run, total_of
from pev.gate.testing_written import unrun
from pev.repos.objects import Status

_RETRIED: Final = 50
_HELP: Final = "Make the test pass by correcting the code; the log holds the whole failure."


class RunnerTests(Check):
    """Tests with coverage, in the project's own dependencies. `face` is that of the language.

    Where a language has no tool that `measures_coverage`, none is demanded, and the control replaces every
    function that the change touches.
    """

    __test__ = False
    name = "tests"
    weight: ClassVar[int] = 90
    runs_code: ClassVar[bool] = True
    needs_environment: ClassVar[bool] = True
    own_checkout: ClassVar[bool] = True
    measures_coverage: ClassVar[bool] = True
    face: ClassVar[Face]

    @abstractmethod
    async def launch(self, job: CheckJob, checkout: Checkout, toolbox: Toolbox, chosen: Chosen) -> Run:
        """Run tests of the project in a checkout, and give what they said.

        Raises EnvironmentUnavailable or ToolMissing if there is nothing to run them with.
        """

    @abstractmethod
    def breaks(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Unit]:
        """Give each function whose body holds one of `lines`, with a source in which it fails when called."""

    def mutants(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Mutant]:
        """Give small changes of meaning on `lines`, those that tests should notice first, first.

        None by default: then only whole functions are replaced.
        """
        return ()

    @abstractmethod
    def without_module(self, path: str, source: str) -> str | None:
        """Let a file fail as soon as it is loaded, or built; None if that cannot be."""

    def statements(self, path: str, source: str) -> frozenset[int]:
        """Give the lines on which statements begin, for a file that the coverage report does not name.

        None by default: then the language's tool reports each file, loaded or not.
        """
        return frozenset()

    def id_of(self, path: str, name: str) -> str:
        """Give the id that a run reports for a test of the inventory; "" if that cannot be told.

        `path` is relative to the project.
        """
        return f"{path}::{name}"

    def tools_of(self, toolbox: Toolbox) -> dict[str, str]:
        """Give the versions of what runs the tests."""
        return {}

    async def run(self, job: CheckJob) -> Measured:
        """Run the tests, and compare them with the base's where that can change the answer."""
        checkout = await job.bench.checkout(job.side, private=private_name(self.label, job.root))
        try:
            toolbox = await job.bench.toolbox(job.side, checkout, job.project)
            if fault := await set_up(job, checkout, toolbox):
                return Measured(unmeasured=fault, outside=True)
            run = await self.launch(job, checkout, toolbox, Chosen(label="main", coverage=True))
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return Measured(unmeasured=str(exc), outside=not isinstance(exc, ProjectUnsupported))
        run = replace(run, coverage=await self._whole(job, run.coverage))
        room = Room(self, job, job.maker(self.name), checkout, toolbox, run)
        measured = await (_base(room) if job.side is Side.BASE else _candidate(room))
        update = {"environment": toolbox.key, "log": run.log, "tools": self.tools_of(toolbox)}
        return measured.model_copy(update=update)

    async def _whole(self, job: CheckJob, lines: Mapping[str, Lines] | None) -> Mapping[str, Lines] | None:
        """Add changed files that no test loaded: none of their statements was run."""
        if lines is None:
            return None
        found = dict(lines)
        for change in job.changes:
            path = change.path
            if change.status is Status.DELETED or path in found or not is_product(self.face, job, path):
                continue
            raw = await job.bench.read(job.side, path)
            missing = self.statements(path, (raw or b"").decode("utf-8", "replace"))
            if missing:
                found[path] = Lines(executed=frozenset(), missing=missing)
        return found


async def _base(room: Room) -> Measured:
    """Say what fails on the base, how much of it is covered, and which tests do not run there."""
    run = room.run
    return Measured(
        findings=tuple(_failed(room.make, one) for one in run.failures),
        reason=run.summary(),
        unmeasured=run.broken,
        outside=run.killed,
        facts={
            "failed": sorted(run.failed_ids),
            "coverage": total_of(run.coverage, room.counts),
            "unrun": sorted((await unrun(room)).names),
        },
    )


async def _candidate(room: Room) -> Measured:
    run, job = room.run, room.job
    if run.broken is not None:
        found = tuple(_failed(room.make, one) for one in run.failures)
        return Measured(findings=found, unmeasured=run.broken, outside=run.killed, reason=run.summary())
    confirmed, flaky = await _confirm(room)
    old = await room.base_failures() if confirmed else frozenset()
    findings = [_failed(room.make, one) for one in confirmed if one.id not in old]
    findings += await _flaky(room, flaky)
    faced, unmeasured = await face_base(room)
    findings += faced
    silent, not_run = await _silent(room)
    findings += silent
    covered, notes, uncovered = await _cover(room, confirmed)
    findings += covered
    findings += await tree_changes(job, room.make, room.checkout)
    unmeasured = unmeasured or not_run or uncovered
    control = Control(room)
    if unmeasured is None and job.base_tree is not None and not is_blocked(job, findings):
        shown = await control.run()
        findings += shown.findings
        unmeasured, notes = shown.unmeasured, ", ".join(part for part in (notes, shown.note) if part)
    findings += [_failed(room.make, one) for one in confirmed if one.id in old]
    findings += criteria_findings(job, room.make, run.passed, job.folder(room.checkout))
    reason = ", ".join(part for part in (run.summary(), notes) if part)
    return Measured(findings=tuple(findings), reason=reason, unmeasured=unmeasured)


async def _confirm(room: Room) -> tuple[list[Failed], list[Failed]]:
    """Run what failed once more, alone; give what fails again, and what does not."""
    failures = list(room.run.failures)
    again = frozenset(one.id for one in failures if not one.is_file)
    if not again or len(again) > _RETRIED or not room.job.clock.left_s():
        return failures, []
    files = tuple(sorted({one.path for one in failures if one.path and not one.is_file}))
    second = await room.launch(Chosen(label="again", only=again, files=files))
    passed = second.passed - second.failed_ids if second.broken is None else frozenset()
    return (
        [one for one in failures if one.id not in passed],
        [one for one in failures if one.id in passed],
    )


async def _flaky(room: Room, flaky: list[Failed]) -> list[Finding]:
    """Hold tests that failed and then passed, unless they fail on the base too."""
    known = await room.base_failures() if flaky else frozenset()
    return [
        room.make.make(
            "flaky",
            f"{one.id} failed, and passed when it was run alone: {one.reason}",
            path=one.path,
            line=one.line,
            context=one.id,
            severity=Severity.WARNING,
            effect=Effect.NOTES if one.id in known else Effect.HOLDS,
            remedy="Make the test give the same answer each time.",
        )
        for one in flaky
    ]


async def _silent(room: Room) -> tuple[list[Finding], str | None]:
    """Name tests that are written down and of which the report says nothing.

    What does not run on the base either has its reasons. Old tests that fall silent make the run worthless.
    """
    found = await unrun(room)
    if not found.names:
        return [], None
    base = await room.job.base()
    known = set(base.facts.get("unrun", ())) if base is not None else set()
    fresh = sorted(found.names - known)
    lost = [own for own in fresh if own in found.old]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return [], f"the run ended well, and did not run all tests that are written down: {lost[0]}{more}"
    return [
        room.make.make(
            "test-not-run",
            f"{own} is written down, and the run says nothing of it",
            path=found.names_path(own),
            context=own,
            severity=Severity.WARNING,
            effect=Effect.HOLDS,
            remedy="Let the test run, or take it out.",
        )
        for own in fresh[:_RETRIED]
    ], None


async def _cover(room: Room, confirmed: list[Failed]) -> tuple[list[Finding], str, str | None]:
    """Demand coverage; give findings, a note, and what could not be measured."""
    job, run = room.job, room.run
    floor = job.project.coverage_floor
    floor = job.policy.coverage_floor if floor is None else floor
    total = total_of(run.coverage, room.counts)
    if not room.runner.measures_coverage:
        return [], f"coverage is not measured for {room.runner.face.language}", None
    if run.coverage is None or total is None:
        fault = "coverage was not measured: no statement of the project was seen"
        return [], "", None if floor == 0 or not room.touches_code() else fault
    found = []
    if total < floor:
        base = await job.base()
        known = base.facts.get("coverage") if base is not None else None
        found += total_findings(room.make, total, known, floor)
    lines = {path: one for path, one in run.coverage.items() if room.counts(path)}
    more, note = changed_lines_findings(job, room.make, lines, floor)
    notes = ", ".join(part for part in (f"coverage {total:.1f} %", note) if part)
    return [*found, *more], notes, await _reached_only_by_old_failures(room, confirmed)


async def _reached_only_by_old_failures(room: Room, confirmed: list[Failed]) -> str | None:
    """Name changed lines that only tests reach which fail on the base as well: nothing measures them."""
    job = room.job
    old = frozenset(one.id for one in confirmed) & (await room.base_failures() if confirmed else frozenset())
    changed = {
        path: lines.executed & job.changed_lines.get(path, frozenset())
        for path, lines in (room.run.coverage or {}).items()
        if room.counts(path)
    }
    if not old or not any(changed.values()):
        return None
    rest = await room.launch(Chosen(label="rest", without=old, coverage=True))
    if rest.broken is not None and not rest.nothing:
        return f"the tests that do not fail on the base could not be run alone: {rest.broken}"
    after = rest.coverage or {}
    for path, reached in sorted(changed.items()):
        lost = reached - (after[path].executed if path in after else frozenset())
        if lost:
            return f"{path} lines {spans(sorted(lost))} are reached only by tests that fail on the base too"
    return None


def _failed(make: FindingMaker, failure: Failed) -> Finding:
    return make.make(
        "test-uncollected" if failure.is_file else "test-failed",
        f"{failure.id}: {failure.reason}",
        path=failure.path,
        line=failure.line,
        context=failure.id,
        remedy=_HELP,
    )
