"""Roots: folders that a local client of the handshake era declares, allowed if the operator allows roots."""

from typing import Any

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext

from pev_server.deps import get_engine
from pev_server.dialogue import roots_of


class AllowRoots(Middleware):
    """Adds the client's roots to the allowed repositories before a tool is called."""

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Ask the client for its roots, then call the tool."""
        if context.fastmcp_context is not None:
            roots = await roots_of(context.fastmcp_context)
            (await get_engine()).core.allow_roots(roots)
        return await call_next(context)
