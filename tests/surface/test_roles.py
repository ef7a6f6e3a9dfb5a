"""Each role has a view of its own, and the server holds it: by what is listed, and by what is refused."""

from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from pev.errors import InvalidInput, RoleRefused
from pev.models import Role, RunId
from pev.roles.sight import HOLDABLE, SCOPES
from pev_server.cli.main import parse_role
from pev_server.roles import OFFERS, ONLY_A_ROLE
from support.clients import APPROVE, ERAS, Era, Person, call, connected, refusal
from support.engines import AGENT, engine_at
from support.plans import PLAN
from support.repos import UserRepoFixture
from support.roles import session

SECRET = "secret_of_the_change"


async def _worked_on(repo: Path) -> str:
    """Open a run as the default session, have it approved, and change something."""
    async with session(repo, elicitation_handler=Person(APPROVE)) as client:
        run_id = str((await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"])
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        await call(client, "make_worktree", run_id=run_id)
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=f"{SECRET} = 1\n")
    return run_id


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("role", HOLDABLE)
async def test_a_session_of_a_role_is_offered_what_belongs_to_it_and_nothing_else(
    role: Role, era: Era, user_repo: UserRepoFixture
) -> None:
    async with session(user_repo.path, role, era=era) as client:
        tools = {one.name for one in await client.list_tools()}
        prompts = {one.name for one in await client.list_prompts()}
        named = {one.name for one in await client.list_resource_templates()}
        named |= {one.name for one in await client.list_resources()}
    assert tools == OFFERS[role].tools
    assert prompts == OFFERS[role].prompts
    assert named == OFFERS[role].resources


async def test_a_session_without_a_role_is_offered_all_but_what_judges_its_own_work(
    user_repo: UserRepoFixture,
) -> None:
    async with session(user_repo.path) as client:
        tools = {one.name for one in await client.list_tools()}
        assert not tools & ONLY_A_ROLE
        for name in ONLY_A_ROLE:
            said = await refusal(client, name, run_id="0a0a0a0a")
            assert said.startswith("[role.refused]")
            assert "pev serve --role" in said


@pytest.mark.parametrize("era", ERAS)
async def test_the_tester_cannot_reach_the_change_by_any_name(era: Era, user_repo: UserRepoFixture) -> None:
    """Asked for by name, whatever is listed: each way is refused, told, and on record."""
    run_id = await _worked_on(user_repo.path)
    said: list[str] = []
    async with session(user_repo.path, Role.TESTER, era=era) as client:
        for uri in (
            *(f"pev://runs/{run_id}/{part}" for part in ("diff", "status", "gate", "pr", "trail", "log")),
            f"pev://runs/{run_id}",
            "pev://runs",
            "pev://trail/1",
            "pev://trail/checkpoint",
        ):
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            said.append(str(refused.value))
        for name in ("author", "review", "security_review", "escalation"):
            with pytest.raises(MCPError) as refused:
                await client.get_prompt(name, {"run_id": run_id})
            said.append(str(refused.value))
        said.append(await refusal(client, "read_file", run_id=run_id, path="src/app/slug.py"))
        said.append(await refusal(client, "query_trail"))
        shown = await client.read_resource(f"pev://runs/{run_id}/interface")
        prompt = await client.get_prompt("tests", {"run_id": run_id})
    assert all("role.refused" in one for one in said), said
    text = str(shown) + str(prompt)
    assert "def add(a: int, b: int) -> int" in text
    assert SECRET not in text
    assert "slug.py" not in str(shown)
    async with session(user_repo.path) as client:
        kept = await call(client, "query_trail", query={"kinds": ["role.refused"], "limit": 100})
    assert len(kept["events"]) == len(said)
    assert {one["actor"]["role"] for one in kept["events"]} == {"tester"}


async def test_the_engine_itself_refuses_a_tester_all_that_judges_the_change(
    user_repo: UserRepoFixture,
) -> None:
    """An adapter that forgets what a role is offered gives nothing away."""
    run = RunId(await _worked_on(user_repo.path))
    tester = AGENT.model_copy(update={"role": Role.TESTER, "scopes": SCOPES[Role.TESTER]})
    async with engine_at(user_repo.path) as engine:
        for asked in (
            engine.verifying.run_gate(tester, run, wait_s=1),
            engine.verifying.check_run(tester, "format", run),
            engine.verifying.check_path(tester, "format", repo=None),
            engine.verifying.judge_path(tester, repo=None),
            engine.reviewing.brief(tester, run, Role.REVIEWER),
            engine.reading.diff(tester, run),
            engine.run(tester, run),
        ):
            with pytest.raises(RoleRefused):
                await asked


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.SECURITY])
async def test_a_reviewer_sees_the_change_and_cannot_touch_it(role: Role, user_repo: UserRepoFixture) -> None:
    run_id = await _worked_on(user_repo.path)
    async with session(user_repo.path, role) as client:
        diff = await client.read_resource(f"pev://runs/{run_id}/diff")
        own = await call(client, "read_file", run_id=run_id, path="src/app/slug.py")
        refused = [
            await refusal(client, "write_file", run_id=run_id, path="x.py", content=""),
            await refusal(client, "run_command", run_id=run_id, argv=["true"]),
            await refusal(client, "run_gate", run_id=run_id),
            await refusal(client, "open_pr", run_id=run_id),
        ]
    assert SECRET in str(diff)
    assert SECRET in str(own)
    assert all(one.startswith("[role.refused]") for one in refused)


@pytest.mark.needs_host
async def test_a_role_is_chosen_when_the_server_is_started(user_repo: UserRepoFixture) -> None:
    async with connected("stdio", user_repo.path, "--role", "security") as client:
        tools = {one.name for one in await client.list_tools()}
    assert tools == OFFERS[Role.SECURITY].tools


def test_nobody_starts_a_server_whose_sessions_are_people() -> None:
    assert parse_role("security") is Role.SECURITY
    for name in ("person", "server", "nobody", ""):
        with pytest.raises(InvalidInput, match="no role that a session can hold"):
            parse_role(name)


async def test_resources_that_are_offered_as_tools_are_the_roles_own_too(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await _worked_on(user_repo.path)
    monkeypatch.setenv("PEV_RESOURCES_AS_TOOLS", "true")
    async with session(user_repo.path, Role.TESTER) as client:
        listed = str(await client.call_tool("list_resources", {}))
        shown = str(await client.call_tool("read_resource", {"uri": f"pev://runs/{run_id}/interface"}))
        said = await refusal(client, "read_resource", uri=f"pev://runs/{run_id}/diff")
    assert "/diff" not in listed
    assert "def add" in shown
    assert "role" in said
    assert SECRET not in said
