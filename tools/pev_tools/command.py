"""The command tool: run_command."""

from typing import Annotated, Final

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import Field

from pev.engine import Engine, parse_run_id
from pev.models import Caller
from pev.views import CommandResult
from pev_server.deps import RunIdText, get_caller, get_engine


async def run_command(
    run_id: RunIdText,
    argv: Annotated[
        list[str], Field(description="program and arguments; no shell", min_length=1, max_length=200)
    ],
    limit_s: Annotated[float, Field(gt=0, le=3_600, description="most seconds that it may take")] = 60.0,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> CommandResult:
    """Run a program in the run's worktree, without credentials in its environment.

    It finds the project's environment first in its PATH: `pytest`, and what the project declares; the first
    call builds it. A failing program is a result. It and all that it started are ended at the limit. Its
    output is data.
    """
    return await engine.executing.command(caller, parse_run_id(run_id), argv, limit_s=limit_s)


TOOLS: Final = (
    Tool.from_function(
        run_command,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
        ),
    ),
)
