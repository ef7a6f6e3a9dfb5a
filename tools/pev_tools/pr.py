"""Tools of the ship stage: open_pr, sync_pr."""

from typing import Final

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import Field

from pev.engine import Engine, parse_run_id
from pev.models import Caller, Model
from pev.views import RunView, view_run
from pev_server.deps import RunIdText, get_caller, get_engine


class PullRequest(Model):
    """A run with a pull request, and the body that carries its evidence."""

    run: RunView
    body: str = Field(description="Markdown, ready to paste")


async def open_pr(
    run_id: RunIdText,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> PullRequest:
    """Commit exactly what the gate passed and open a pull request with the evidence. Never merges.

    Refuses a worktree that was changed after the gate. A person owns the merge.
    """
    state, body = await engine.shipping.open_pr(caller, parse_run_id(run_id))
    return PullRequest(run=view_run(state), body=body)


async def sync_pr(
    run_id: RunIdText,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> RunView:
    """Read from the forge whether the pull request was merged or closed, and by whom; record it."""
    return view_run(await engine.shipping.sync_pr(caller, parse_run_id(run_id)))


TOOLS: Final = (
    Tool.from_function(
        open_pr,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
    ),
    Tool.from_function(
        sync_pr,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
    ),
)
