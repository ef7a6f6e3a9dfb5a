"""Shows that the tests of a change can fail: with its code replaced they must, and its mutants are tried.

A run that stays green although the changed code raises says nothing about the change. All runs are of the
candidate's own tests, in a checkout of their own, and stop at the first failure.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final

from pev.findings import Effect, Finding, Severity
from pev.gate.clock import Clock
from pev.gate.coverage import Lines
from pev.gate.interface import CheckJob, Checkout, FindingMaker, Interpreter
from pev.gate.outputs import private_name
from pev.gate.sabotage import Mutant, Unit, mutants, units, without_module
from pev.gate.subjects import is_test_ground
from pev.gate.testrun import TestRun, contexts_of, run_tests

_LEAST_MUTANTS: Final = 3
_MOST_MUTANTS: Final = 5
_MOST_UNITS: Final = 8
_LOOKED_AT: Final = 20
_LEAST_S: Final = 20.0
_MOST_TESTS: Final = 300
_STOP: Final = "--maxfail=1"
_SLACK_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Controlled:
    """What the controls showed. `note` says it in a few words."""

    findings: tuple[Finding, ...] = ()
    unmeasured: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Subject:
    """A changed file that tests ran: its source, its changed lines, who ran them, its functions."""

    path: str
    source: str
    lines: frozenset[int]
    tests: Mapping[int, frozenset[str]]
    units: tuple[Unit, ...]

    def tests_of(self, unit: Unit) -> tuple[str, ...]:
        """Give the tests that ran a function."""
        return tuple(sorted({test for line in unit.lines for test in self.tests.get(line, ())}))


class Controls:
    """The controls of one run of tests that found nothing."""

    def __init__(self, job: CheckJob, make: FindingMaker, run: TestRun) -> None:
        self._job = job
        self._make = make
        self._run = run

    async def control(
        self, lines: Mapping[str, Lines], checkout: Checkout, interpreter: Interpreter, data: Path
    ) -> Controlled:
        """Replace the changed code that the tests ran, function by function, and see whether they notice.

        `data` is what coverage recorded of the run in `checkout`.
        """
        changed = {
            path: one.executed & self._job.changed_lines.get(path, frozenset())
            for path, one in lines.items()
            if path.endswith(".py") and not is_test_ground(path)
        }
        changed = {path: found for path, found in changed.items() if found}
        if not changed:
            return Controlled()
        begun = time.monotonic()
        tests = await contexts_of(self._job, checkout, interpreter, data, sorted(changed))
        subjects = [
            one
            for path, executed in sorted(changed.items())
            if (one := await self._subject(path, executed, tests)) is not None
        ]
        bench = self._job.bench
        place = await bench.checkout(self._job.side, private=private_name("controls", self._job.root))
        own = await bench.interpreter(self._job.side, place, self._job.root)
        home = place.root / Path(self._run.rootdir).relative_to(checkout.root)
        room = _Room(self._job, place, own, home, self._run)
        found = await self._all(room, subjects)
        spent = time.monotonic() - begun
        return replace(found, note=f"{found.note} (controls took {spent:.1f} s)") if found.note else found

    async def _subject(
        self, path: str, lines: frozenset[int], tests: Mapping[str, Mapping[int, frozenset[str]]]
    ) -> _Subject | None:
        raw = await self._job.bench.read(self._job.side, path)
        if raw is None:
            return None
        source = raw.decode("utf-8", "replace")
        known = tests.get(path, {})
        # coverage counts statements, and remembers single lines: a lambda in a table has only the latter;
        # and a function that is said to have run in no test is replaced before all tests
        changed = self._job.changed_lines.get(path, frozenset())
        ran = lines | {line for line in changed if known.get(line)}
        return _Subject(path, source, lines, known, tuple(units(source, ran)))

    async def _all(self, room: "_Room", subjects: Sequence[_Subject]) -> Controlled:
        """Control the changed functions of all files, in the time for that; modules if there are none."""
        end = time.monotonic() + max(self._job.settings.mutation_s, 0.3 * self._run.seconds, _LEAST_S)
        chosen = [(one, unit) for one, unit in _interleaved(subjects)]
        room.tests = _tests_of(chosen)
        sound = await room.settle(_originals(subjects))
        if sound is None:
            return Controlled(unmeasured=_NO_TIME)
        noticed = 0
        missed: list[tuple[_Subject, Unit, Mutant | None]] = []
        for subject, unit in chosen[:_MOST_UNITS]:
            if noticed + len(missed) and time.monotonic() > end:
                break
            red = await room.red({**_originals(subjects), subject.path: unit.source}, subject.tests_of(unit))
            if red is None:
                return Controlled(unmeasured=_NO_TIME)
            if not red:
                missed.append((subject, unit, None))
                continue
            noticed += 1
            survivor = await self._mutate(room, subjects, subject, unit, end)
            missed += [(subject, unit, survivor)] if survivor is not None else []
        findings = tuple(self._missed(*one) for one in missed)
        if noticed:
            left = len(chosen) - noticed - sum(one is None for _, _, one in missed)
            more = f"; {left} more functions not tried" if left > 0 else ""
            what = "1 changed function" if noticed == 1 else f"{noticed} changed functions"
            return Controlled(findings, None, f"tests fail without {what}{more}")
        return await self._modules(room, subjects, findings)

    async def _modules(
        self, room: "_Room", subjects: Sequence[_Subject], findings: tuple[Finding, ...]
    ) -> Controlled:
        """Let whole modules raise: a run that stays green even then cannot fail at all."""
        modules = {one.path: text for one in subjects if (text := without_module(one.source)) is not None}
        if not modules:
            return Controlled(findings)
        red = await room.red({**_originals(subjects), **modules}, ())
        if red is None:
            return Controlled(unmeasured=_NO_TIME)
        if not red:
            names = ", ".join(sorted(modules)[:3])
            return Controlled(unmeasured=f"the tests stay green although {names} cannot even be imported")
        return Controlled(findings, None, "" if findings else "tests fail without the changed modules")

    async def _mutate(
        self, room: "_Room", subjects: Sequence[_Subject], subject: _Subject, unit: Unit, end: float
    ) -> Mutant | None:
        """Try mutants of a function until the tests notice one; give the first if nobody notices enough."""
        if not self._job.settings.mutation_s:
            return None
        every = list(islice(mutants(subject.source, unit.lines), _LOOKED_AT))
        telling = [one for one in every if not one.weak][:_MOST_MUTANTS]
        if len(every) < _LEAST_MUTANTS or len(telling) < _LEAST_MUTANTS - 1:
            return None
        for mutant in telling:
            if time.monotonic() > end:
                return None
            sources = {**_originals(subjects), subject.path: mutant.source}
            if await room.red(sources, subject.tests_of(unit)) is not False:
                return None
        return telling[0]

    def _missed(self, subject: _Subject, unit: Unit, mutant: Mutant | None) -> Finding:
        if mutant is None:
            rule = "unnoticed-change"
            message = f"tests run {unit.name}, and none fails when it raises instead"
        else:
            rule = "mutants-survive"
            message = (
                f"tests do not notice this change: they pass with mutants of {unit.name},"
                f" such as {mutant.what!r} in line {mutant.line}"
            )
        line = min(unit.lines) if mutant is None else mutant.line
        return self._make.make(
            rule,
            message,
            path=subject.path,
            line=line,
            context=f"{rule} {unit.name}",
            severity=Severity.WARNING,
            effect=Effect.HOLDS,
            remedy="Add a test that fails without this change: one that checks what the code gives.",
        )


_NO_TIME: Final = "no time was left to show that the tests can fail; raise [check.tests] limit_s"


class _Room:
    """A checkout in which the change is replaced, again and again. `tests` are those worth running."""

    def __init__(
        self, job: CheckJob, place: Checkout, interpreter: Interpreter, home: Path, main: TestRun
    ) -> None:
        self._job, self._place, self._interpreter = job, place, interpreter
        self._home, self._seconds = home, main.seconds
        # what fails anyway tells nothing of what is replaced
        self._failing = main.failed_ids
        self._without = [
            f"--deselect={one.id}" if one.collected else f"--ignore={home / one.id}" for one in main.failures
        ]
        self._runs = 0
        self.tests: tuple[str, ...] = ()

    async def settle(self, sources: Mapping[str, str]) -> bool | None:
        """Find out whether chosen tests are green with nothing replaced; else all are run each time.

        Gives None if there was no time to find out.
        """
        if self.tests:
            run = await self._run(sources, self.tests)
            if run is None:
                return None
            if run.broken is not None or run.failures:
                self.tests = ()
        return True

    async def red(self, sources: Mapping[str, str], tests: Sequence[str]) -> bool | None:
        """Say whether the tests fail with these sources; None if there was no time to find out.

        Chosen tests that stay green are the last word only if there are any: without, all are run.
        """
        run = await self._run(sources, tests if self.tests else ())
        if run is None:
            return None
        return bool(run.failures) or run.broken is not None

    async def _run(self, sources: Mapping[str, str], tests: Sequence[str]) -> TestRun | None:
        """Run tests until the first fails; one that hangs has noticed something, if there is time left."""
        left_s = self._job.clock.left_s()
        if left_s <= 0:
            return None
        await self._job.bench.rewrite(self._place, {path: text.encode() for path, text in sources.items()})
        limited = replace(self._job, clock=Clock(min(left_s, 3 * self._seconds + _SLACK_S)))
        self._runs += 1
        chosen = [str(self._home / one) for one in tests if one not in self._failing]
        select = [*chosen, *self._without, _STOP]
        run = await run_tests(
            limited, self._place, self._interpreter, label=f"control-{self._runs}", select=select
        )
        return None if run.killed and self._job.clock.left_s() <= 0 else run


def _originals(subjects: Iterable[_Subject]) -> dict[str, str]:
    return {one.path: one.source for one in subjects}


def _tests_of(chosen: Iterable[tuple[_Subject, Unit]]) -> tuple[str, ...]:
    hit = {test for subject, unit in chosen for test in subject.tests_of(unit)}
    return tuple(sorted(hit)) if len(hit) <= _MOST_TESTS else ()


def _interleaved(subjects: Sequence[_Subject]) -> Iterable[tuple[_Subject, Unit]]:
    """Give the functions of all files in turn, so that a large file does not use up the time."""
    rows = [[(one, unit) for unit in one.units] for one in subjects]
    return [found for column in zip_longest(*rows) for found in column if found is not None]
