"""The MCP tools of PEV, one module per topic. `TOOLS` is everything that the server registers."""

from typing import Final

from fastmcp.tools import Tool

from pev_tools import command, files, gate, loop, plan, pr, review, tests, trail, worktree

TOOLS: Final[tuple[Tool, ...]] = (
    *plan.TOOLS,
    *worktree.TOOLS,
    *files.TOOLS,
    *command.TOOLS,
    *tests.TOOLS,
    *gate.TOOLS,
    *review.TOOLS,
    *pr.TOOLS,
    *loop.TOOLS,
    *trail.TOOLS,
)
