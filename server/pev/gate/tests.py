"""The check `tests`: do the tests pass, do they still say what they said, and do they run what changed?

The candidate's tests run on the candidate's code; where tests were edited, the base's run on it too. A new
failure is tried once more, alone, before it blocks; what then passes is flaky and is held.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

from pev.errors import EnvironmentUnavailable, ToolMissing
from pev.findings import Effect, Finding, Severity
from pev.gate.contract import criteria_findings
from pev.gate.controls import Controlled, Controls
from pev.gate.coverage import changed_lines_findings, lines_of, missing_of, spans, total_findings, total_of
from pev.gate.held_harness import waiting
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Interpreter, Measured, Side
from pev.gate.oracle import compare_runs, plan_oracle, reason_of
from pev.gate.outputs import private_name, tree_changes
from pev.gate.preparing import is_blocked, set_up
from pev.gate.subjects import is_test_ground
from pev.gate.testrun import Failure, TestRun, data_file, run_tests
from pev.gate.unsteady import unsteady_on_base
from pev.repos.objects import Status

_RETRIED: Final = 50
_DOCUMENTS: Final = (".md", ".rst", ".adoc", ".png", ".svg", ".jpg", ".gif")
_HELP: Final = "Make the test pass by correcting the code; the log holds the whole failure."


@dataclass(frozen=True, slots=True)
class _Room:
    """What one measurement works in."""

    job: CheckJob
    make: FindingMaker
    checkout: Checkout
    interpreter: Interpreter
    run: TestRun
    prefix: str


class Tests(Check):
    """pytest with coverage, in the project's own dependencies."""

    __test__ = False
    name = "tests"
    weight: ClassVar[int] = 90
    tools: ClassVar[tuple[str, ...]] = ("pytest", "pytest-cov", "coverage")
    runs_code: ClassVar[bool] = True
    needs_environment: ClassVar[bool] = True
    own_checkout: ClassVar[bool] = True

    async def run(self, job: CheckJob) -> Measured:
        """Run the tests, and compare them with the base's where that can change the answer."""
        checkout = await job.bench.checkout(job.side, private=private_name("tests", job.root))
        try:
            interpreter = await job.bench.interpreter(job.side, checkout, job.root)
            if fault := await set_up(job, checkout, interpreter):
                return Measured(unmeasured=fault, outside=True)
            compared = job.side is Side.CANDIDATE and job.base_tree is not None
            reached = _changed_code(job) if compared else ()
            run = await run_tests(job, checkout, interpreter, label="main", coverage=True, reached=reached)
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return Measured(unmeasured=str(exc), outside=True)
        prefix = job.repo_path(run.rootdir, checkout)
        room = _Room(job, job.maker(self.name), checkout, interpreter, run, prefix)
        measured = await (self._base(room) if job.side is Side.BASE else self._candidate(room))
        return measured.model_copy(update={"environment": interpreter.key, "log": run.log})

    async def _base(self, room: _Room) -> Measured:
        """Say what fails on the base, and how much of it is covered."""
        run = room.run
        return Measured(
            findings=(
                *(_failed(room, one) for one in run.failures),
                *await tree_changes(room.job, room.make, room.checkout),
            ),
            reason=_summary(run),
            unmeasured=run.broken,
            outside=run.killed,
            facts={
                "failed": sorted(run.failed_ids),
                "coverage": total_of(run.coverage),
                "missing": missing_of(run.coverage),
            },
        )

    async def _candidate(self, room: _Room) -> Measured:
        run, job = room.run, room.job
        if run.broken is not None:
            found = [_failed(room, one) for one in run.failures]
            return Measured(
                findings=tuple(found), unmeasured=run.broken, outside=run.killed, reason=_summary(run)
            )
        confirmed, flaky = await self._confirm(room)
        old = await _base_failures(job) if confirmed else set()
        old_failures = [_failed(room, one) for one in confirmed if one.id in old]
        new = [one for one in confirmed if one.id not in old]
        home = PurePosixPath(Path(run.rootdir).relative_to(room.checkout.root).as_posix())
        unsteady = await unsteady_on_base(job, {one.id for one in (*new, *flaky) if one.collected}, home)
        flaky += [one for one in new if one.id in unsteady]
        new = [one for one in new if one.id not in unsteady]
        held = await waiting(job, room.make, run, room.checkout, new)
        findings = [held.get(one.id) or _failed(room, one) for one in new]
        findings += await self._flaky(room, flaky, unsteady)
        base_findings, unmeasured = await self._face_base(room)
        findings += base_findings
        covered, notes, uncovered = await self._cover(room, confirmed, unsteady)
        findings += covered
        written, written_before = await _written(room)
        findings += written
        findings += _skipped_by_product(room)
        unmeasured = unmeasured or uncovered
        controlled = Controlled()
        if unmeasured is None and not is_blocked(job, findings):
            controlled = await self._control(room)
        findings += [*old_failures, *written_before, *controlled.findings]
        findings += criteria_findings(job, room.make, run.passed - run.failed_ids, Path(run.rootdir))
        left_out = ", ".join(job.settings.without_markers)
        left_out = f"not run by policy: tests marked {left_out}" if left_out else ""
        reason = ", ".join(part for part in (_summary(run), notes, controlled.note, left_out) if part)
        unmeasured = unmeasured or controlled.unmeasured
        return Measured(findings=tuple(findings), reason=reason, unmeasured=unmeasured)

    async def _control(self, room: _Room) -> Controlled:
        """Show that the tests can fail on what changed, where there is a change to compare."""
        if room.job.base_tree is None:
            return Controlled()
        lines = lines_of(room.run.coverage, room.job.root)
        data = data_file(room.checkout, "main")
        controls = Controls(room.job, room.make, room.run)
        return await controls.control(lines, room.checkout, room.interpreter, data)

    async def _confirm(self, room: _Room) -> tuple[list[Failure], list[Failure]]:
        """Run what failed once more, alone; give what fails again, and what does not."""
        failures = list(room.run.failures)
        again = [one.id for one in failures if one.collected]
        if not again or len(again) > _RETRIED or not room.job.clock.left_s():
            return failures, []
        second = await run_tests(
            room.job, room.checkout, room.interpreter, label="again", select=_ids(room, again)
        )
        passed = second.passed - second.failed_ids if second.broken is None else frozenset()
        return [one for one in failures if one.id not in passed], [
            one for one in failures if one.id in passed
        ]

    async def _flaky(self, room: _Room, flaky: list[Failure], unsteady: frozenset[str]) -> list[Finding]:
        """Hold tests that failed and then passed, unless they fail on the base too, be it now and then.

        A change of documents alone is no reason why a test should fail only once.
        """
        innocent = all(change.path.lower().endswith(_DOCUMENTS) for change in room.job.changes)
        known = unsteady | (await _base_failures(room.job) if flaky else set())
        return [
            room.make.make(
                "flaky",
                f"{one.id} failed, and {_other(one.id in unsteady)}: {reason_of(one.text)}",
                path=_path(room, one),
                line=one.line,
                context=one.id,
                severity=Severity.WARNING,
                effect=Effect.NOTES if innocent or one.id in known else Effect.HOLDS,
                remedy="Make the test give the same answer each time.",
            )
            for one in flaky
        ]

    async def _face_base(self, room: _Room) -> tuple[list[Finding], str | None]:
        """Run the base's versions of edited tests on the candidate's code."""
        job = room.job
        oracle = await plan_oracle(job)
        if oracle is None:
            return [], None
        checkout = await job.bench.checkout(
            job.side, private=private_name("oracle", job.root), replaced=oracle.replaced
        )
        interpreter = await job.bench.interpreter(job.side, checkout, job.root)
        select = [str(checkout.root / path) for path in oracle.select]
        base_run = await run_tests(job, checkout, interpreter, label="oracle", select=select)
        old = await _base_failures(job) if base_run.failures else set()
        found = compare_runs(room.make, oracle, base_run, room.run, old, room.prefix)
        fault = (
            f"the base's tests could not be run on the change: {base_run.broken}" if base_run.broken else None
        )
        return found, None if base_run.nothing else fault

    async def _cover(
        self, room: _Room, confirmed: list[Failure], unsteady: frozenset[str]
    ) -> tuple[list[Finding], str, str | None]:
        """Demand coverage; give findings, a note, and what could not be measured."""
        job, run = room.job, room.run
        total = total_of(run.coverage)
        floor = job.project.coverage_floor
        floor = job.policy.coverage_floor if floor is None else floor
        if total is None:
            return (
                [],
                "",
                None if floor == 0 else "coverage was not measured: no statement of the project was seen",
            )
        found = []
        if total < floor:
            base = await job.base()
            facts = base.facts if base is not None else {}
            missing, had = missing_of(run.coverage), facts.get("missing")
            grown = missing - had if isinstance(missing, int) and isinstance(had, int) else None
            found += total_findings(room.make, total, facts.get("coverage"), floor, grown=grown)
        lines = lines_of(run.coverage, job.root)
        more, note = changed_lines_findings(job, room.make, lines, floor)
        unmeasured = await self._reached_only_by_old_failures(room, confirmed, unsteady)
        return (
            [*found, *more],
            ", ".join(part for part in (f"coverage {total:.1f} %", note) if part),
            unmeasured,
        )

    async def _reached_only_by_old_failures(
        self, room: _Room, confirmed: list[Failure], unsteady: frozenset[str]
    ) -> str | None:
        """Name changed lines that only tests reach which fail on the base as well: nothing measures them."""
        job = room.job
        known = unsteady | (await _base_failures(job) if confirmed else set())
        old = {one.id for one in confirmed} & known
        if not old:
            return None
        without = [f"--deselect={one}" for one in sorted(old)]
        rest = await run_tests(
            job, room.checkout, room.interpreter, label="rest", select=without, coverage=True
        )
        if rest.broken is not None and not rest.nothing:
            return f"the tests that do not fail on the base could not be run alone: {rest.broken}"
        before, after = lines_of(room.run.coverage, job.root), lines_of(rest.coverage, job.root)
        for path, lines in sorted(before.items()):
            reached = lines.executed & job.changed_lines.get(path, frozenset())
            lost = reached - (after[path].executed if path in after else frozenset())
            if lost and not is_test_ground(path):
                return (
                    f"{path} lines {spans(sorted(lost))} are reached only by tests that fail on the base too"
                )
        return None


async def _written(room: _Room) -> tuple[list[Finding], list[Finding]]:
    """Give the files of the tree that the run wrote to, and those that one on the base writes to as well."""
    found = await tree_changes(room.job, room.make, room.checkout)
    base = await room.job.base() if found else None
    known = {one.fingerprint for one in (base.findings if base is not None else ())}
    return [one for one in found if one.fingerprint not in known], [
        one for one in found if one.fingerprint in known
    ]


def _other(on_base: bool) -> str:
    return "does so now and then on the base too" if on_base else "passed when it was run alone"


def _skipped_by_product(room: _Room) -> list[Finding]:
    """Hold tests that changed code, which is no test itself, caused to be skipped."""
    job = room.job
    changed = {change.path for change in job.changes if not is_test_ground(change.path)}
    found = []
    for own, files in sorted(room.run.skipped_in.items()):
        inside = [job.repo_path(file, room.checkout) for file in files]
        path = next((one for one in reversed(inside) if not one.startswith("/")), "")
        if path in changed:
            message = f"{own} is skipped by {path}, which is no test"
            remedy = "Let tests decide for themselves what they skip."
            found.append(
                room.make.make(
                    "skipped-by-product", message, path=path, context=own, effect=Effect.HOLDS, remedy=remedy
                )
            )
    return found


def _changed_code(job: CheckJob) -> tuple[str, ...]:
    """Give the changed files that are code and no tests: the controls ask which tests ran their lines."""
    paths = (change.path for change in job.changes if change.status is not Status.DELETED)
    return tuple(
        path for path in paths if path.endswith(".py") and not is_test_ground(path) and job.in_project(path)
    )


async def _base_failures(job: CheckJob) -> set[str]:
    base = await job.base()
    return set(base.facts.get("failed", ())) if base is not None else set()


def _ids(room: _Room, ids: list[str]) -> list[str]:
    """Give test ids as arguments: with the path from the run's root written out in full."""
    return [f"{room.run.rootdir / own.partition('::')[0]}{''.join(own.partition('::')[1:])}" for own in ids]


def _path(room: _Room, failure: Failure) -> str:
    path = failure.id.partition("::")[0]
    return room.job.repo_path(Path(room.run.rootdir) / path, room.checkout)


def _failed(room: _Room, failure: Failure) -> Finding:
    return room.make.make(
        "test-failed" if failure.collected else "test-uncollected",
        f"{failure.id}: {reason_of(failure.text)}",
        path=_path(room, failure) or None,
        line=failure.line,
        context=failure.id,
        remedy=_HELP,
    )


def _summary(run: TestRun) -> str:
    parts = [(len(run.passed), "passed"), (len(run.failures), "failed"), (len(run.skipped), "skipped")]
    return ", ".join(f"{count} {word}" for count, word in parts if count)
