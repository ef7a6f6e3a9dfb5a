"""Resources of plans: the newest revision, and each single one."""

from typing import Final

from fastmcp.dependencies import Depends
from fastmcp.resources import ResourceTemplate

from pev.engine import Engine, parse_run_id
from pev.models import Caller
from pev_server.deps import get_caller, get_engine


async def show_plan(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The newest revision of a run's plan, with its hash and where it came from."""
    return (await engine.reading.plan(caller, parse_run_id(run_id))).model_dump_json()


async def show_revision(
    run_id: str, revision: int, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """One revision of a run's plan."""
    return (await engine.reading.plan(caller, parse_run_id(run_id), revision)).model_dump_json()


_JSON: Final = "application/json"
RESOURCES: Final = (
    ResourceTemplate.from_function(show_plan, "pev://runs/{run_id}/plan", name="plan", mime_type=_JSON),
    ResourceTemplate.from_function(
        show_revision, "pev://runs/{run_id}/plan/{revision}", name="plan-revision", mime_type=_JSON
    ),
)
