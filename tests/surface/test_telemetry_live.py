"""What a collector gets of a server that runs: the framework's spans, joined to runs, and events."""

from typing import Any

import pytest
from fastmcp.exceptions import ToolError

from pev.trail.telemetry import RUN, trace_id
from support.clients import Era, call, connected
from support.collector import Collector, attributes, collecting
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host
TOKEN = "ghp_" + "a1B2c3D4e5" * 4
PARENT = "0af7651916cd43dd8448eb211c80319c"
ERROR = 2
"""The code of a span's status (opentelemetry.proto.trace.v1.Status)."""


def of_tool(collector: Collector, tool: str) -> list[Any]:
    return [one for one in collector.spans() if attributes(one).get("gen_ai.tool.name") == tool]


@pytest.mark.parametrize(
    ("transport", "era"),
    [
        ("http", "auto"),
        ("stdio", "legacy"),
        pytest.param("http", "legacy", marks=pytest.mark.slow),
        pytest.param("stdio", "auto", marks=pytest.mark.slow),
    ],
)
async def test_a_collector_gets_calls_joined_to_their_runs_and_every_event(
    transport: str, era: Era, user_repo: UserRepoFixture
) -> None:
    """One trace for the caller, one for the run, and links both ways; nothing of what was said."""
    with collecting() as collector:
        async with connected(transport, user_repo.path, era=era, env=collector.env) as client:
            opened = await call(client, "draft_plan", task=f"Add slugify with {TOKEN}")
            run = opened["run"]["run_id"]
            meta = {"traceparent": f"00-{PARENT}-b7ad6b7169203331-01"}
            said = await client.call_tool("open_pr", {"run_id": run}, meta=meta, raise_on_error=False)
            assert said.is_error
            await client.call_tool("run_check", {"check": "lint", "path": TOKEN}, raise_on_error=False)
            with pytest.raises(ToolError):
                await client.call_tool(TOKEN, {})
        own = trace_id(f"run:{run}").to_bytes(16, "big")
        (drafted,) = collector.waited(lambda: of_tool(collector, "draft_plan"))
        (refused,) = collector.waited(lambda: of_tool(collector, "open_pr"))
        (checked,) = collector.waited(lambda: of_tool(collector, "run_check"))
        events = collector.waited(lambda: [one for one in collector.spans() if one.trace_id == own])
        records = collector.waited(lambda: [one for one in collector.logs() if one.trace_id == own])
        everything = b"".join(data for _, data in collector.sent)

    assert {attributes(one)[RUN] for one in (drafted, refused)} == {run}
    assert [[link.trace_id for link in one.links] for one in (drafted, refused)] == [[own], [own]]
    assert (refused.status.code, refused.status.message, list(refused.events)) == (ERROR, "", [])
    assert refused.trace_id.hex() == PARENT
    assert RUN not in attributes(checked)
    assert not {"mcp.session.id", "enduser.scope"} & {
        name for one in collector.spans() for name in attributes(one)
    }
    called = next(one for one in events if one.name == "draft_plan")
    assert [link.span_id for link in called.links] == [drafted.span_id]
    assert all(attributes(one)[RUN] == run for one in (*events, *records))
    assert {"pev.run.opened", "pev.tool.called"} <= {one.event_name for one in records}
    assert next(one for one in records if one.event_name == "pev.tool.called").span_id == called.span_id
    assert TOKEN.encode() not in everything
    assert b"slugify" not in everything
