"""What hosts offer their person: open runs by name, arguments completed, a word when the list changes."""

from typing import Any

import mcp_types
import pytest
from fastmcp import Client
from fastmcp.client.messages import MessageHandler
from mcp_types import PromptReference, ResourceTemplateReference

from pev.models import Role, Source
from pev_server.app import create_app
from support.clients import APPROVE, ERAS, Era, Person, call, connected
from support.engines import AGENT, PERSON, approved, config, decide, engine_at
from support.plans import PLAN, plan
from support.repos import UserRepoFixture


class Changes(MessageHandler):
    """A host that counts how often it is told that the list of resources has changed."""

    def __init__(self) -> None:
        self.told = 0

    async def on_resource_list_changed(self, message: mcp_types.ResourceListChangedNotification) -> None:
        """Count."""
        self.told += 1


async def _values(client: Client[Any], argument: str, typed: str = "", **given: str) -> list[str]:
    ref = ResourceTemplateReference(type="ref/resource", uri="pev://runs/{run_id}/gate/{attempt}/{check}")
    found = await client.complete(ref, {"name": argument, "value": typed}, given)
    return list(found.values)


@pytest.mark.parametrize("era", ERAS)
async def test_run_ids_attempts_revisions_and_checks_are_completed(
    era: Era, user_repo: UserRepoFixture
) -> None:
    user_repo.commit("policy", {"pev.toml": 'checks = ["lint"]\n'})
    async with engine_at(user_repo.path, sandbox="none") as engine:
        run_id = (await approved(engine, plan())).id
        await engine.executing.make(AGENT, run_id)
        await engine.executing.write(AGENT, run_id, "src/app/slug.py", '"""Slugs."""\n')
        judged = await engine.verifying.run_gate(AGENT, run_id, wait_s=60)
        assert judged.report is not None
        other = (await engine.planning.open_run(AGENT, "Another")).id
    async with connected("memory", user_repo.path, era=era) as client:
        assert set(await _values(client, "run_id")) == {run_id, other}
        assert run_id in await _values(client, "run_id", run_id[:3])
        assert await _values(client, "run_id", "nonsense") == []
        assert await _values(client, "attempt", run_id=run_id) == ["1"]
        assert await _values(client, "check", "li", run_id=run_id, attempt="1") == ["lint"]
        assert await _values(client, "revision", run_id=run_id) == ["1"]
        assert await _values(client, "attempt", run_id=other) == []
        assert await _values(client, "check", run_id=other) == []
        assert await _values(client, "check", run_id="../..") == []
        prompt = PromptReference(type="ref/prompt", name="author")
        found = await client.complete(prompt, {"name": "run_id", "value": other[:4]})
        assert other in found.values
        assert (await client.complete(prompt, {"name": "colour", "value": ""})).values == []


@pytest.mark.parametrize("era", ERAS)
async def test_open_runs_are_listed_and_a_change_of_them_is_told(
    era: Era, user_repo: UserRepoFixture
) -> None:
    """The newer era has no standing stream: there the host asks again by itself."""
    changes = Changes()
    reject = Person({"decision": "reject", "comment": "no"})
    app = create_app(config(), cwd=user_repo.path)
    async with Client(app, mode=era, elicitation_handler=reject, message_handler=changes) as client:
        none = {str(one.uri) for one in await client.list_resources()}
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        opened = {str(one.uri): one.title or "" for one in await client.list_resources()}
        await call(client, "request_decision", run_id=run_id)
        after_opening = changes.told
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        closed = {str(one.uri) for one in await client.list_resources()}
    assert run["status"] == "abandoned"
    assert set(opened) - none == {f"pev://runs/{run_id}"}
    assert "Add slugify (drafted)" in opened[f"pev://runs/{run_id}"]
    assert closed == none
    assert (after_opening, changes.told) == ((1, 2) if era == "legacy" else (0, 0))


async def test_a_role_that_may_not_see_runs_is_listed_none(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        state = await engine.planning.open_run(AGENT, "Add slugify")
        await engine.planning.submit(AGENT, state.id, plan(), source=Source.HOST_SUBMITTED)
        await decide(engine, state.id, APPROVE)
        assert (await engine.run(PERSON, state.id)).approvals
    async with Client(create_app(config(), cwd=user_repo.path, role=Role.TESTER)) as client:
        assert not [one for one in await client.list_resources() if state.id in str(one.uri)]
