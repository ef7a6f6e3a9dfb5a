"""Argument completion: run ids, attempts, checks and revisions, as far as the caller may see them."""

from typing import Any, Final

from pev.engine import Engine, parse_run_id
from pev.errors import PevError
from pev.models import Caller
from pev_server.deps import get_caller, get_engine

MOST: Final = 100
_ARGUMENTS: Final = frozenset({"run_id", "attempt", "check", "revision"})


async def complete(_reference: Any, argument: Any, context: Any) -> list[str]:
    """Give the values that begin with what was typed; none for an argument that we know nothing of."""
    if argument.name not in _ARGUMENTS:
        return []
    given = dict(context.arguments or {}) if context is not None else {}
    try:
        found = await _values(await get_engine(), get_caller(), argument.name, given)
    except PevError:  # what may not be seen, or is not there, completes nothing
        return []
    return [value for value in found if value.startswith(argument.value)][:MOST]


async def _values(engine: Engine, caller: Caller, name: str, given: dict[str, str]) -> list[str]:
    if name == "run_id":
        return [state.id for state in await engine.reading.runs(caller, limit=500)]
    if "run_id" not in given:
        return []
    state = await engine.run(caller, parse_run_id(given["run_id"]))
    if name == "revision":
        return [str(one.revision) for one in reversed(state.revisions)]
    if name == "attempt":
        return [str(gate.attempt) for gate in reversed(state.gates) if gate.report is not None]
    attempt = given.get("attempt", "")
    report = await engine.reading.report(caller, state.id, int(attempt) if attempt.isdecimal() else None)
    return [check.check for check in report.checks]
