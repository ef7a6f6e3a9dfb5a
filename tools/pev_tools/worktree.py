"""Tools of the worktree: make_worktree, remove_worktree."""

from typing import Final

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations

from pev.engine import Engine, parse_run_id
from pev.models import Caller
from pev.views import RunView, view_run
from pev_server.deps import RunIdText, get_caller, get_engine


async def make_worktree(
    run_id: RunIdText,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> RunView:
    """Make the isolated worktree of a run whose plan is approved, or give the one it has.

    It is a folder on a branch of its own, apart from the user's checkout, which stays untouched.
    """
    state, notes = await engine.executing.make(caller, parse_run_id(run_id))
    return view_run(state, notes=notes)


async def remove_worktree(
    run_id: RunIdText,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> RunView:
    """Remove a run's worktree. Work that is in no pull request is kept under a rescue ref first."""
    state, rescued = await engine.executing.remove(caller, parse_run_id(run_id))
    notes = (f"Unfinished work is kept under {rescued}.",) if rescued else ()
    return view_run(state, notes=notes)


TOOLS: Final = (
    Tool.from_function(
        make_worktree,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    ),
    Tool.from_function(
        remove_worktree,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
        ),
    ),
)
