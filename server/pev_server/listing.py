"""Open runs in the list of resources, so that a host can offer them to its person by name.

When a call has changed which runs are open, its session is told that the list has changed, where the era of
the protocol has a way to say so.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from fastmcp.resources import Resource
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext

from pev.errors import PevError
from pev.run import TERMINAL, RunState
from pev.text import one_line
from pev.views import view_run
from pev_server.deps import get_caller, get_engine
from pev_server.dialogue import tell_resources_changed

MOST: Final = 20


class OpenRuns(Middleware):
    """Lists the newest runs that are not over, and tells when they have become others."""

    async def on_list_resources(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[Resource]]
    ) -> Sequence[Resource]:
        """Add the open runs that the caller may see."""
        listed = list(await call_next(context))
        with suppress(PevError):  # who may not read runs gets the list without them
            listed += [_resource(state) for state in await _open_runs()]
        return listed

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Call the tool, and tell its session if other runs are open now than before."""
        before = await _ids()
        try:
            return await call_next(context)
        finally:
            if context.fastmcp_context is not None and await _ids() != before:
                await tell_resources_changed(context.fastmcp_context)


async def _open_runs() -> list[RunState]:
    engine, caller = await get_engine(), get_caller()
    return [one for one in await engine.reading.runs(caller, limit=MOST) if one.status not in TERMINAL]


async def _ids() -> frozenset[str]:
    try:
        return frozenset(state.id for state in await _open_runs())
    except PevError:
        return frozenset()


def _resource(state: RunState) -> Resource:
    async def show() -> str:
        return view_run(state).model_dump_json()

    title = f"Run {state.id}: {one_line(state.task, 80)} ({state.status.value.replace('_', ' ')})"
    return Resource.from_function(
        show, f"pev://runs/{state.id}", name="run", title=title, mime_type="application/json"
    )
