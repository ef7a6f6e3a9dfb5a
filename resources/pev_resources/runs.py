"""Resources of runs: the list, one run, its change, its pull request."""

from typing import Final

from fastmcp.dependencies import Depends
from fastmcp.resources import Resource, ResourceTemplate
from pydantic import TypeAdapter

from pev.engine import Engine, parse_run_id
from pev.models import Caller, Model
from pev.text import fence
from pev.views import RunView, view_run
from pev_server.deps import get_caller, get_engine

_LISTS: Final = TypeAdapter(list[dict[str, str]])


class RunList(Model):
    """Runs, the newest first."""

    runs: tuple[RunView, ...]


async def list_runs(engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)) -> str:
    """The newest 50 runs, and what each waits for."""
    states = await engine.reading.runs(caller)
    return RunList(runs=tuple(view_run(state) for state in states)).model_dump_json()


async def show_run(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """Where a run stands and what comes next."""
    return view_run(await engine.run(caller, parse_run_id(run_id))).model_dump_json()


async def show_diff(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The change of a run against its base, as a fenced diff."""
    diff = await engine.reading.diff(caller, parse_run_id(run_id))
    return fence("The change", diff, limit=200_000)


async def show_interface(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The public interface of the code as it was before a run's change, fenced."""
    text = await engine.reading.interface(caller, parse_run_id(run_id))
    return fence("The public interface before the change", text, limit=200_000)


async def show_status(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The files that a run has changed, as git status would list them."""
    files = await engine.reading.status(caller, parse_run_id(run_id))
    return _LISTS.dump_json([one.model_dump() for one in files]).decode()


async def show_log(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The newest 50 commits that lead to a run's base, as git log would list them."""
    commits = await engine.reading.past(caller, parse_run_id(run_id))
    return _LISTS.dump_json([one.model_dump() for one in commits]).decode()


async def show_pr(
    run_id: str, engine: Engine = Depends(get_engine), caller: Caller = Depends(get_caller)
) -> str:
    """The body of a run's pull request."""
    return await engine.reading.pr_body(caller, parse_run_id(run_id))


_JSON: Final = "application/json"
_MARKDOWN: Final = "text/markdown"
RESOURCES: Final = (
    Resource.from_function(list_runs, "pev://runs", name="runs", mime_type=_JSON),
    ResourceTemplate.from_function(show_run, "pev://runs/{run_id}", name="run", mime_type=_JSON),
    ResourceTemplate.from_function(show_status, "pev://runs/{run_id}/status", name="status", mime_type=_JSON),
    ResourceTemplate.from_function(show_log, "pev://runs/{run_id}/log", name="log", mime_type=_JSON),
    ResourceTemplate.from_function(show_diff, "pev://runs/{run_id}/diff", name="diff", mime_type=_MARKDOWN),
    ResourceTemplate.from_function(
        show_interface, "pev://runs/{run_id}/interface", name="interface", mime_type=_MARKDOWN
    ),
    ResourceTemplate.from_function(show_pr, "pev://runs/{run_id}/pr", name="pr", mime_type=_MARKDOWN),
)
