"""Resources of the gate: a run's newest report, one check with its log, the policy."""

from typing import Final

from fastmcp.dependencies import Depends
from fastmcp.resources import Resource, ResourceTemplate

from pev.engine import Engine, parse_run_id
from pev.models import Caller
from pev.text import fence
from pev_server.deps import get_caller, get_engine


async def show_gate(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The newest gate report of a run, whole."""
    return (await engine.reading.report(caller, parse_run_id(run_id))).model_dump_json()


async def show_check(
    run_id: str,
    attempt: int,
    check: str,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> str:
    """One check of one gate: its result as JSON, then its log, fenced."""
    result = await engine.reading.check(caller, parse_run_id(run_id), attempt, check)
    log = await engine.reading.log(result)
    return f"{result.model_dump_json(exclude={'excerpt'})}\n\n{fence('Log', log)}\n"


async def show_policy(engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)) -> str:
    """What the gate demands of this repository, where that comes from, and whether a person trusted it."""
    return (await engine.verifying.policy_view(caller, None)).model_dump_json()


_JSON: Final = "application/json"
RESOURCES: Final = (
    ResourceTemplate.from_function(show_gate, "pev://runs/{run_id}/gate", name="gate", mime_type=_JSON),
    ResourceTemplate.from_function(
        show_check, "pev://runs/{run_id}/gate/{attempt}/{check}", name="check", mime_type="text/plain"
    ),
    Resource.from_function(show_policy, "pev://policy", name="policy", mime_type=_JSON),
)
