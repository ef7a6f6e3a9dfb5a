"""Resources and prompts, read by a real client; a single check straight from chat."""

import json
from typing import Any

import pytest
from fastmcp import Client
from mcp_types import TextContent, TextResourceContents

from support.clients import APPROVE, ERAS, Era, Person, call, connected, refusal
from support.plans import PLAN
from support.repos import UserRepoFixture

BAD = '"""Bad."""\n\nimport os\n\n\ndef size(text: str) -> str:\n    return len(text)\n'


async def _read(client: Client[Any], uri: str) -> str:
    (content,) = await client.read_resource(uri)
    assert isinstance(content, TextResourceContents)
    return content.text


async def _prompt(client: Client[Any], name: str, **arguments: str) -> str:
    result = await client.get_prompt(name, arguments)
    content = result.messages[0].content
    assert isinstance(content, TextContent)
    return content.text


async def _executing(client: Client[Any]) -> str:
    run_id = str((await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"])
    await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    await call(client, "make_worktree", run_id=run_id)
    return run_id


@pytest.mark.needs_host
@pytest.mark.parametrize("era", ERAS)
async def test_every_resource_of_a_run_can_be_read(era: Era, user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path, era=era, elicitation_handler=Person(APPROVE)) as client:
        run_id = await _executing(client)
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=BAD)
        judged = await call(client, "run_gate", run_id=run_id, wait_s=200)
        assert json.loads(await _read(client, "pev://runs"))["runs"][0]["run_id"] == run_id
        assert json.loads(await _read(client, f"pev://runs/{run_id}"))["status"] == "failed"
        assert json.loads(await _read(client, f"pev://runs/{run_id}/plan"))["plan"]["goal"] == PLAN["goal"]
        assert json.loads(await _read(client, f"pev://runs/{run_id}/plan/1"))["revision"] == 1
        assert "+import os" in await _read(client, f"pev://runs/{run_id}/diff")
        (status,) = json.loads(await _read(client, f"pev://runs/{run_id}/status"))
        assert (status["status"], status["path"]) == ("added", "src/app/slug.py")
        (commit,) = json.loads(await _read(client, f"pev://runs/{run_id}/log"))
        assert (commit["subject"], commit["author"]) == ("first", "Ada Test")
        assert json.loads(await _read(client, f"pev://runs/{run_id}/gate"))["outcome"] == "FAILED"
        lint = next(one for one in judged["gate"]["checks"] if one["check"] == "lint")
        assert "F401" in await _read(client, lint["log"])
        assert json.loads(await _read(client, f"pev://runs/{run_id}/trail"))["events"]
        event = json.loads(await _read(client, "pev://trail/0"))
        assert event["seq"] == 0
        origin, size, root, blank, signed = (await _read(client, "pev://trail/checkpoint")).splitlines()
        assert (int(size) > 5, len(root), blank) == (True, 44, "")
        assert signed.startswith(f"\u2014 {origin} ")
        policy = json.loads(await _read(client, "pev://policy"))
        assert policy["source"] == "detected"
        assert policy["trust"] == "untrusted"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "uri", ["pev://runs/ffffffff", "pev://runs/nonsense/plan", "pev://trail/999999", "pev://runs/ffffffff/pr"]
)
async def test_a_resource_that_is_not_there_says_so_with_a_code(
    uri: str, era: Era, user_repo: UserRepoFixture
) -> None:
    async with connected("memory", user_repo.path, era=era) as client:
        with pytest.raises(Exception, match=r"\[(run|event)\.unknown\]"):
            await client.read_resource(uri)


async def test_prompts_hold_the_runs_context_and_the_tester_never_sees_the_change(
    user_repo: UserRepoFixture,
) -> None:
    async with connected("memory", user_repo.path, elicitation_handler=Person(APPROVE)) as client:
        run_id = await _executing(client)
        marked = BAD.replace("Bad.", "mark_of_the_change")
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=marked)
        assert "Add rate limits" in await _prompt(client, "pev", task="Add rate limits")
        assert "non_goals" in await _prompt(client, "plan", task="Add rate limits")
        author = await _prompt(client, "author", run_id=run_id)
        assert "Add a slugify function" in author
        tests = await _prompt(client, "tests", run_id=run_id)
        assert "def divide(a: int, b: int) -> float" in tests
        assert "mark_of_the_change" not in tests
        assert "ZeroDivision" not in tests
        for name in ("review", "security_review"):
            assert "mark_of_the_change" in await _prompt(client, name, run_id=run_id)
        assert "Recommend one" in await _prompt(client, "escalation", run_id=run_id)


@pytest.mark.needs_host
@pytest.mark.parametrize("era", ERAS)
async def test_a_check_from_chat_needs_no_run_and_shows_old_findings_too(
    era: Era, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEV_SANDBOX", "none")
    user_repo.commit("old trouble", {"src/app/old.py": BAD})
    user_repo.write({"src/app/new.py": BAD})
    async with connected("memory", user_repo.path, era=era) as client:
        lint = await call(client, "run_check", check="lint")
        types = await call(client, "run_check", check="types")
        runs = json.loads(await _read(client, "pev://runs"))["runs"]
    assert lint["outcome"] == "FAILED"
    ages = {(one["path"], one["age"]) for one in lint["findings"] if one["rule"] == "F401"}
    assert ages == {("src/app/new.py", "new"), ("src/app/old.py", "old")}
    assert {one["rule"] for one in types["findings"]} == {"return-value"}
    assert lint["sandboxed"] is False
    assert runs == []


async def test_an_unknown_check_names_those_that_there_are(user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path) as client:
        said = await refusal(client, "run_check", check="spelling")
    assert said.startswith("[check.unknown]")
    assert "lint" in said


@pytest.mark.needs_host
async def test_resources_are_tools_where_the_operator_wants_that(user_repo: UserRepoFixture) -> None:
    env = {"PEV_RESOURCES_AS_TOOLS": "true"}
    async with connected("stdio", user_repo.path, env=env) as client:
        names = {tool.name for tool in await client.list_tools()}
        listed = await client.call_tool("list_resources", {})
    assert {"list_resources", "read_resource"} <= names
    assert "pev://runs" in str(listed.content)
