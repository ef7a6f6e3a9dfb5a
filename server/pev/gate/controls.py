"""Shows that the tests of a change can fail: with its code replaced they must, and its mutants are tried.

A run that stays green although the changed code raises says nothing about the change. All runs are of the
candidate's own tests, in a checkout of their own, and stop at the first failure.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Final

from pev.findings import Effect, Finding, Severity
from pev.gate.coverage import Lines
from pev.gate.interface import CheckJob, Checkout, Clock, FindingMaker, Interpreter
from pev.gate.outputs import private_name
from pev.gate.sabotage import Mutant, mutants, without_functions, without_module
from pev.gate.subjects import is_test_ground
from pev.gate.testrun import TestRun, contexts_of, run_tests

_LEAST_MUTANTS: Final = 3
_MOST_MUTANTS: Final = 8
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
    """A changed file whose changed lines were run: its source, those lines, and the tests that ran them."""

    path: str
    source: str
    lines: frozenset[int]
    tests: tuple[str, ...]


class Controls:
    """The controls of one run of tests that found nothing."""

    def __init__(self, job: CheckJob, make: FindingMaker, run: TestRun) -> None:
        self._job = job
        self._make = make
        self._run = run

    async def control(
        self, lines: Mapping[str, Lines], checkout: Checkout, interpreter: Interpreter, data: Path
    ) -> Controlled:
        """Replace the changed code that the tests ran, and see whether they notice.

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
            one for path, found in sorted(changed.items()) if (one := await self._subject(path, found, tests))
        ]
        bench = self._job.bench
        name = private_name("controls", self._job.root)
        place = await bench.checkout(self._job.side, private=name)
        own = await bench.interpreter(self._job.side, place, self._job.root)
        home = place.root / Path(self._run.rootdir).relative_to(checkout.root)
        room = _Room(self._job, place, own, home, self._run.seconds)
        found = await self._replaced(room, subjects)
        if found.note and not found.findings and found.unmeasured is None:
            found = await self._mutated(room, subjects, found.note)
        spent = time.monotonic() - begun
        return replace(found, note=f"{found.note} (controls took {spent:.1f} s)") if found.note else found

    async def _subject(
        self, path: str, lines: frozenset[int], tests: Mapping[str, Mapping[int, frozenset[str]]]
    ) -> _Subject | None:
        raw = await self._job.bench.read(self._job.side, path)
        if raw is None:
            return None
        hit = frozenset().union(*(tests.get(path, {}).get(line, frozenset()) for line in lines))
        return _Subject(path, raw.decode("utf-8", "replace"), lines, tuple(sorted(hit)))

    async def _replaced(self, room: "_Room", subjects: Sequence[_Subject]) -> Controlled:
        """Let the changed functions raise, and the whole modules if no test noticed that."""
        functions = _sources(subjects, lambda one: without_functions(one.source, one.lines))
        modules = _sources(subjects, lambda one: without_module(one.source))
        if not modules:
            return Controlled()
        if functions:
            red = await room.red(functions, "functions", _tests_of(subjects, functions))
            if red is None:
                return Controlled(unmeasured=_NO_TIME)
            if red:
                return Controlled(note="tests fail without the change")
        red = await room.red({**_originals(subjects), **modules}, "modules", ())
        if red is None:
            return Controlled(unmeasured=_NO_TIME)
        if not red:
            names = ", ".join(sorted(modules)[:3])
            return Controlled(unmeasured=f"the tests stay green although {names} cannot even be imported")
        if not functions:
            return Controlled(note="tests fail without the change")
        path = min(functions)
        message = "tests run the changed functions, and none fails when they raise instead"
        return Controlled(
            (self._finding("unnoticed-change", message, path, subjects),), None, "nothing noticed"
        )

    async def _mutated(self, room: "_Room", subjects: Sequence[_Subject], note: str) -> Controlled:
        """Try mutants until the tests notice one; enough that nobody notices are a finding."""
        budget_s = self._job.settings.mutation_s
        if not budget_s:
            return Controlled(note=note)
        end = time.monotonic() + max(budget_s, 0.3 * self._run.seconds)
        tried: list[tuple[_Subject, Mutant]] = []
        for subject, mutant in islice(_interleaved(subjects), _MOST_MUTANTS):
            if time.monotonic() > end:
                return Controlled(
                    note=f"{note}; {len(tried)} mutants tried, none noticed in the time for that"
                )
            sources = {**_originals(subjects), subject.path: mutant.source}
            red = await room.red(sources, f"mutant-{len(tried)}", subject.tests)
            if red is None:
                return Controlled(note=f"{note}; no time for mutants")
            tried.append((subject, mutant))
            if red:
                return Controlled(note=f"{note}, and with mutant {len(tried)} of it")
        if len(tried) < _LEAST_MUTANTS:
            return Controlled(note=f"{note}; too few mutants to tell more")
        subject, mutant = tried[0]
        message = (
            f"tests do not notice this change: they pass with each of {len(tried)} mutants of it,"
            f" such as {mutant.what!r} in line {mutant.line}"
        )
        return Controlled(
            (self._finding("mutants-survive", message, subject.path, subjects, mutant.line),), None, note
        )

    def _finding(
        self, rule: str, message: str, path: str, subjects: Sequence[_Subject], line: int | None = None
    ) -> Finding:
        own = next(one for one in subjects if one.path == path)
        return self._make.make(
            rule,
            message,
            path=path,
            line=line or min(own.lines),
            context=rule,
            severity=Severity.WARNING,
            effect=Effect.HOLDS,
            remedy="Add a test that fails without this change: one that checks what the code gives.",
        )


_NO_TIME: Final = "no time was left to show that the tests can fail; raise [check.tests] limit_s"


class _Room:
    """A checkout in which the change is replaced, again and again."""

    def __init__(
        self, job: CheckJob, place: Checkout, interpreter: Interpreter, home: Path, seconds: float
    ) -> None:
        self._job, self._place, self._interpreter = job, place, interpreter
        self._home, self._seconds = home, seconds

    async def red(self, sources: Mapping[str, str], label: str, tests: Sequence[str]) -> bool | None:
        """Say whether the tests fail with these sources; None if there was no time to find out.

        Chosen tests that stay green are not the last word: then all of them are run.
        """
        await self._job.bench.rewrite(self._place, {path: text.encode() for path, text in sources.items()})
        for select in ([str(self._home / one) for one in tests], []) if tests else ([],):
            clock = self._job.clock
            if clock.left_s() <= 0:
                return None
            limited = replace(self._job, clock=Clock(min(clock.left_s(), 3 * self._seconds + _SLACK_S)))
            run = await run_tests(
                limited,
                self._place,
                self._interpreter,
                label=f"{label}-{len(select)}",
                select=[*select, _STOP],
            )
            if run.failures or (run.killed and clock.left_s() > 0):
                return True
            if run.broken is not None and not select:
                return None if run.killed else True  # with the change in place this very run was sound
            if run.broken is None and select and label.startswith("mutant"):
                return False
        return False


def _sources(subjects: Iterable[_Subject], change: Callable[[_Subject], str | None]) -> dict[str, str]:
    made = {one.path: change(one) for one in subjects}
    return {path: text for path, text in made.items() if text is not None}


def _originals(subjects: Iterable[_Subject]) -> dict[str, str]:
    return {one.path: one.source for one in subjects}


def _tests_of(subjects: Iterable[_Subject], paths: Mapping[str, Any]) -> tuple[str, ...]:
    hit = {test for one in subjects if one.path in paths for test in one.tests}
    return tuple(sorted(hit)) if len(hit) <= _MOST_TESTS else ()


def _interleaved(subjects: Sequence[_Subject]) -> Iterable[tuple[_Subject, Mutant]]:
    """Give mutants of all files in turn, so that a large file does not use up the time."""
    rows = [
        [(one, mutant) for mutant in islice(mutants(one.source, one.lines), _MOST_MUTANTS)]
        for one in subjects
    ]
    return [found for column in zip_longest(*rows) for found in column if found is not None]
