"""Resources of the trail: the events of a run, one event, the head of the log."""

from typing import Final

from fastmcp.dependencies import Depends
from fastmcp.resources import Resource, ResourceTemplate

from pev.engine import Engine, parse_run_id
from pev.models import Caller
from pev.trail.query import TrailQuery
from pev_server.deps import get_caller, get_engine

MAX_EVENTS: Final = 500


async def show_trail(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The newest 500 events of a run; query_trail pages through all of them."""
    query = TrailQuery(run=parse_run_id(run_id), limit=MAX_EVENTS, newest_first=True)
    return (await engine.reading.query(caller, query)).model_dump_json()


async def show_event(
    event: int, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """One event of the log."""
    return (await engine.reading.event(caller, event)).model_dump_json()


async def show_checkpoint(engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)) -> str:
    """The log's signed checkpoint: keep it elsewhere, and a roll-back or a fork can be seen against it."""
    return (await engine.reading.checkpoint(caller)).note


_JSON: Final = "application/json"
RESOURCES: Final = (
    ResourceTemplate.from_function(
        show_trail, "pev://runs/{run_id}/trail", name="run-trail", mime_type=_JSON
    ),
    ResourceTemplate.from_function(show_event, "pev://trail/{event}", name="event", mime_type=_JSON),
    Resource.from_function(
        show_checkpoint, "pev://trail/checkpoint", name="checkpoint", mime_type="text/plain"
    ),
)
