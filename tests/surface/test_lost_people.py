"""Hosts that claim what they cannot do, and people who never answer: nothing is decided, nothing is lost."""

from typing import Any, Final

import anyio
import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp import MCPError

from support.clients import APPROVE, ERAS, Era, Person, call, connected
from support.plans import PLAN
from support.repos import UserRepoFixture

_FAILURES: Final = (ToolError, MCPError, TimeoutError, RuntimeError, anyio.ClosedResourceError)


class Broken:
    """A host's handler that fails whenever it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, *_: Any) -> Any:
        """Fail."""
        self.asked += 1
        raise RuntimeError("this host draws no dialog")


class Absent(Broken):
    """A host's handler that never comes back."""

    async def __call__(self, *_: Any) -> Any:
        """Wait for ever."""
        self.asked += 1
        await anyio.sleep_forever()


async def _try(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any] | None:
    """Call a tool; a client of the newer era fails by itself where its handler does."""
    try:
        return await call(client, tool, **arguments)
    except _FAILURES:
        return None


async def _is_unharmed(repo: UserRepoFixture, era: Era, run_id: str) -> None:
    """Check that the same question still stands, once, and that a person who is there decides it."""
    async with connected("memory", repo.path, era=era, elicitation_handler=Person(APPROVE)) as client:
        run = await call(client, "request_decision", run_id=run_id)
        asked = await call(client, "query_trail", query={"run": run_id, "kinds": ["decision.asked"]})
    assert run["status"] == "approved"
    assert len(asked["events"]) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_dialog_that_fails_decides_nothing(era: Era, user_repo: UserRepoFixture) -> None:
    broken = Broken()
    async with connected("memory", user_repo.path, era=era, elicitation_handler=broken) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        run = await _try(client, "submit_plan", run_id=run_id, plan=PLAN)
    assert broken.asked == 1
    if run is not None:
        assert run["status"] == "awaiting_approval"
        assert any("could not ask" in note for note in run["notes"])
    await _is_unharmed(user_repo, era, run_id)


@pytest.mark.parametrize("era", ERAS)
async def test_a_person_who_never_answers_holds_up_nobody_else(
    era: Era, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is bounded by us where we wait, and by the client where it does; then it vanishes."""
    monkeypatch.setenv("PEV_ASK_WAIT_S", "0.2")
    absent = Absent()
    run: dict[str, Any] | None = None
    async with connected("memory", user_repo.path, era=era, elicitation_handler=absent) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        with anyio.move_on_after(3.0):
            run = await _try(client, "submit_plan", run_id=run_id, plan=PLAN)
    assert absent.asked == 1
    if run is not None:
        assert any("no answer in 0.2 s" in note for note in run["notes"])
    await _is_unharmed(user_repo, era, run_id)


@pytest.mark.parametrize("era", ERAS)
async def test_a_model_that_fails_leaves_the_plan_to_the_hosts_own(
    era: Era, user_repo: UserRepoFixture
) -> None:
    """A host that claims sampling and fails it is as one that never had it."""
    broken = Broken()
    async with connected(
        "memory", user_repo.path, era=era, sampling_handler=broken, elicitation_handler=Person(APPROVE)
    ) as client:
        drafted = await _try(client, "draft_plan", task="Add slugify")
        runs = (await client.read_resource("pev://runs"))[0]
        run_id = str(getattr(runs, "text", "")).partition('"run_id":"')[2][:8]
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    assert broken.asked >= 1
    if drafted is not None:
        assert "JSON schema" in drafted["brief"]
    assert run["status"] == "approved"
