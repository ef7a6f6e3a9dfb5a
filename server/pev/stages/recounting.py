"""Recounting: runs as an auditor reads them, each in one value. That the trail was read becomes an event.

What cannot be read (somebody changed the file) is told beside what can.
"""

from collections.abc import Awaitable
from typing import Final, TypeVar

from pydantic import ValidationError

from pev.boundary.dossier import judged_diff
from pev.core import Core
from pev.errors import InvalidInput, PevError
from pev.findings import GateReport
from pev.models import Caller, Model, RunId, Scope, require_scope
from pev.roles.sight import Sight, require_sight
from pev.run import GateState, RunState
from pev.stages.reading import Reading
from pev.trail.query import RunPage, TrailPage, TrailQuery

MAX_GATES: Final = 8
EVENTS: Final = 100
"""How many events a page of a timeline has."""
_T = TypeVar("_T")


class GateRun(Model):
    """One gate of a run, and its report if it was finished."""

    gate: GateState
    report: GateReport | None = None


class Record(Model):
    """Everything about a run.

    `gates` are the newest MAX_GATES, the newest first, and `gates_left_out` counts the others. `diff` is what
    the newest report is about, against the base. `timeline` is None for somebody who may not read the trail.
    `unreadable` says what could not be read, and why.
    """

    state: RunState
    gates: tuple[GateRun, ...] = ()
    gates_left_out: int = 0
    diff: str = ""
    timeline: TrailPage | None = None
    unreadable: tuple[str, ...] = ()


class Recounting:
    """Gathers what is known of runs."""

    def __init__(self, core: Core, reading: Reading) -> None:
        self._core = core
        self._reading = reading

    async def runs(self, caller: Caller, *, limit: int, before: str | None = None) -> RunPage:
        """Give a page of runs, the newest first; `before` is the cursor of an earlier page."""
        require_scope(caller, Scope.READ)
        require_sight(caller, Sight.RUN)
        return await self._core.run_page(limit=limit, before=before)

    async def record(
        self, caller: Caller, run_id: RunId, *, cursor: str | None = None, newest_first: bool = False
    ) -> Record:
        """Give everything about a run, and a page of its events. Raises RunUnknown, InvalidInput."""
        require_scope(caller, Scope.READ)
        for sight in (Sight.RUN, Sight.PLAN, Sight.GATE, Sight.CHANGE):
            require_sight(caller, sight)
        state = await self._core.state(run_id)
        unreadable: list[str] = []
        shown = state.gates[::-1][:MAX_GATES]
        gates = [
            GateRun(gate=gate, report=await _or_none(self._report(state, gate), unreadable)) for gate in shown
        ]
        newest = next((one.report for one in gates if one.report is not None), None)
        diff = await judged_diff(self._core, state, newest)
        timeline = None
        if Scope.AUDIT in caller.scopes:
            query = _question(run_id, cursor, newest_first=newest_first)
            timeline = await _or_none(self._reading.query(caller, query), unreadable)
        return Record(
            state=state,
            gates=tuple(gates),
            gates_left_out=len(state.gates) - len(gates),
            diff=diff,
            timeline=timeline,
            unreadable=tuple(unreadable),
        )

    async def _report(self, state: RunState, gate: GateState) -> GateReport | None:
        return await self._core.report(state, attempt=gate.attempt) if gate.report is not None else None


def _question(run_id: RunId, cursor: str | None, *, newest_first: bool) -> TrailQuery:
    try:
        return TrailQuery(run=run_id, limit=EVENTS, cursor=cursor, newest_first=newest_first)
    except ValidationError as exc:
        raise InvalidInput("this is no cursor", hint="Begin without one.") from exc


async def _or_none(found: Awaitable[_T], unreadable: list[str]) -> _T | None:
    try:
        return await found
    except InvalidInput:  # of whoever asks: a cursor, say
        raise
    except (PevError, ValidationError) as exc:
        unreadable.append(exc.message if isinstance(exc, PevError) else "a report is in another form")
        return None
