"""Shows that tests can fail: with the changed code replaced, the same run must go red.

A run that stays green although the changed code fails when it is called says nothing about the change.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import Final

from pev.findings import Effect, Finding, Severity
from pev.gate.clock import Clock
from pev.gate.controls import Controlled
from pev.gate.interface import Checkout, Toolbox
from pev.gate.outputs import private_name
from pev.gate.sabotage import Mutant, Unit
from pev.gate.testing_room import Room
from pev.gate.testing_runs import Chosen

_MOST_UNITS: Final = 8
_LEAST_MUTANTS: Final = 2
_MOST_MUTANTS: Final = 5
_LOOKED_AT: Final = 20
_LEAST_S: Final = 20.0
_SLACK_S: Final = 10.0
_NO_TIME: Final = "no time was left to show that the tests can fail; raise [check.tests] limit_s"


@dataclass(frozen=True, slots=True)
class _Subject:
    """A changed file that tests ran: its source, and the functions that the change touches."""

    path: str
    source: str
    units: tuple[Unit, ...]


class Control:
    """The negative control of one run that found nothing."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._runs = 0

    async def run(self) -> Controlled:
        """Let the changed functions fail one by one, and see whether the tests notice; else whole files."""
        subjects = await self._subjects()
        if not subjects:
            return Controlled()
        begun = time.monotonic()
        job = self._room.job
        name = private_name(f"controls-{self._room.runner.label}", job.root)
        place = await job.bench.checkout(job.side, private=name)
        toolbox = await job.bench.toolbox(job.side, place, job.project)
        found = await self._all(place, toolbox, subjects)
        spent = time.monotonic() - begun
        return replace(found, note=f"{found.note} (controls took {spent:.1f} s)") if found.note else found

    async def _subjects(self) -> list[_Subject]:
        room, out = self._room, []
        for path, executed in sorted(room.ran().items()):
            raw = await room.job.bench.read(room.job.side, path)
            if raw is not None:
                source = raw.decode("utf-8", "replace")
                out.append(_Subject(path, source, tuple(room.runner.breaks(path, source, executed))))
        return out

    async def _all(self, place: Checkout, toolbox: Toolbox, subjects: Sequence[_Subject]) -> Controlled:
        room = self._room
        end = time.monotonic() + max(room.job.settings.mutation_s, 0.3 * room.run.seconds, _LEAST_S)
        originals = {one.path: one.source for one in subjects}
        chosen = list(_interleaved(subjects))
        noticed = 0
        missed: list[tuple[_Subject, Unit, Mutant | None]] = []
        for subject, unit in chosen[:_MOST_UNITS]:
            if noticed + len(missed) and time.monotonic() > end:
                break
            red = await self._red(place, toolbox, {**originals, subject.path: unit.source})
            if red is None:
                return Controlled(unmeasured=_NO_TIME)
            if not red:
                missed.append((subject, unit, None))
                continue
            noticed += 1
            survivor = await self._mutate(place, toolbox, originals, subject, unit, end)
            missed += [(subject, unit, survivor)] if survivor is not None else []
        findings = tuple(self._missed(*one) for one in missed)
        if noticed:
            left = len(chosen) - noticed - sum(one is None for _, _, one in missed)
            more = f"; {left} more functions not tried" if left > 0 else ""
            what = "1 changed function" if noticed == 1 else f"{noticed} changed functions"
            return Controlled(findings, None, f"tests fail without {what}{more}")
        return await self._files(place, toolbox, subjects, findings)

    async def _mutate(
        self,
        place: Checkout,
        toolbox: Toolbox,
        originals: Mapping[str, str],
        subject: _Subject,
        unit: Unit,
        end: float,
    ) -> Mutant | None:
        """Try mutants of a function until the tests notice one; give the first if they notice none."""
        room = self._room
        if not room.job.settings.mutation_s:
            return None
        every = islice(room.runner.mutants(subject.path, subject.source, unit.lines), _LOOKED_AT)
        telling = [one for one in every if not one.weak][:_MOST_MUTANTS]
        if len(telling) < _LEAST_MUTANTS:
            return None
        for mutant in telling:
            if time.monotonic() > end:
                return None
            if await self._red(place, toolbox, {**originals, subject.path: mutant.source}) is not False:
                return None
        return telling[0]

    async def _files(
        self, place: Checkout, toolbox: Toolbox, subjects: Sequence[_Subject], findings: tuple[Finding, ...]
    ) -> Controlled:
        """Let whole files fail: a run that stays green even then cannot fail at all."""
        runner = self._room.runner
        broken = {
            one.path: text
            for one in subjects
            if (text := runner.without_module(one.path, one.source)) is not None
        }
        if not broken:
            return Controlled(findings)
        red = await self._red(place, toolbox, {**{one.path: one.source for one in subjects}, **broken})
        if red is None:
            return Controlled(unmeasured=_NO_TIME)
        if not red:
            names = ", ".join(sorted(broken)[:3])
            return Controlled(unmeasured=f"the tests stay green although {names} cannot even be loaded")
        return Controlled(findings, None, "" if findings else "tests fail without the changed files")

    async def _red(self, place: Checkout, toolbox: Toolbox, sources: Mapping[str, str]) -> bool | None:
        """Say whether the tests fail with these sources; None if there was no time to find out.

        What fails anyway tells nothing. A test that falls silent has noticed something.
        """
        room, main = self._room, self._room.run
        left_s = room.job.clock.left_s()
        if left_s <= 0:
            return None
        await room.job.bench.rewrite(place, {path: text.encode() for path, text in sources.items()})
        limited = replace(room.job, clock=Clock(min(left_s, 3 * main.seconds + _SLACK_S)))
        self._runs += 1
        chosen = Chosen(label=f"control-{self._runs}", stop_early=not main.failures)
        run = await room.runner.launch(limited, place, toolbox, chosen)
        if run.killed and room.job.clock.left_s() <= 0:
            return None
        return (
            run.broken is not None or bool(run.failed_ids - main.failed_ids) or not main.passed <= run.passed
        )

    def _missed(self, subject: _Subject, unit: Unit, mutant: Mutant | None) -> Finding:
        if mutant is not None:
            said = f"they pass with mutants of {unit.name}, such as {mutant.what!r} in line {mutant.line}"
            return self._held("mutants-survive", f"tests do not notice this change: {said}", subject, unit)
        said = f"tests run {unit.name}, and none fails when it fails at once instead"
        if not self._room.runner.measures_coverage:
            said = f"no test fails when {unit.name} fails at once instead"
        return self._held("unnoticed-change", said, subject, unit)

    def _held(self, rule: str, said: str, subject: _Subject, unit: Unit) -> Finding:
        return self._room.make.make(
            rule,
            said,
            path=subject.path,
            line=min(unit.lines),
            context=f"{rule} {unit.name}",
            severity=Severity.WARNING,
            effect=Effect.HOLDS,
            remedy="Add a test that fails without this change: one that checks what the code gives.",
        )


def _interleaved(subjects: Sequence[_Subject]) -> Iterable[tuple[_Subject, Unit]]:
    """Give the functions of all files in turn, so that a large file does not use up the time."""
    rows = [[(one, unit) for unit in one.units] for one in subjects]
    return [found for column in zip_longest(*rows) for found in column if found is not None]
