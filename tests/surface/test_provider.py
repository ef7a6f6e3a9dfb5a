"""The operator's own model: asked where no host lends one, and its key is nowhere but in memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from pev.config import ProviderSettings, load_config
from pev.errors import ConfigInvalid, ModelUnavailable
from pev.roles.asker import Done, Message, Request, Results, Said, Told, ToolCall, ToolSpec
from pev_server.provider import Provider, provider_of
from support.clients import APPROVE, Person, call
from support.plans import PLAN
from support.repos import UserRepoFixture
from support.roles import session

KEY = "sk-" + "abcdef0123456789" * 2
SETTINGS = ProviderSettings(model="openai:gpt-5")
TESTS = "def test_c1_it() -> None:\n    from app.slug import slugify\n\n    assert slugify('A b') == 'a-b'\n"


def provider(answer: Callable[[list[Any], AgentInfo], ModelResponse], **more: Any) -> Provider:
    """Give a provider whose model is a function."""
    return Provider(SETTINGS, KEY, model=FunctionModel(answer, model_name="gpt-5-scripted"), **more)


async def test_a_conversation_with_tools_goes_through_whole() -> None:
    seen: list[Any] = []

    def answer(messages: list[Any], info: AgentInfo) -> ModelResponse:
        seen.append((messages, [tool.name for tool in info.function_tools]))
        return ModelResponse(parts=[TextPart("so"), ToolCallPart("read_file", {"path": "b"}, "2")])

    asked: list[Message] = [
        Told(text="go"),
        Said(text="first", calls=(ToolCall(id="1", name="read_file", arguments={"path": "a"}),)),
        Results(results=(Done(call="1", name="read_file", text="content"),)),
    ]
    spec = ToolSpec(name="read_file", description="d", parameters={"type": "object"})
    said = await provider(answer).ask(
        Request(system="system", messages=tuple(asked), tools=(spec,), max_tokens=100, limit_s=5)
    )
    assert said.text == "so"
    assert said.calls == (ToolCall(id="2", name="read_file", arguments={"path": "b"}),)
    assert said.model == "gpt-5-scripted"
    assert said.tokens > 0
    messages, tools = seen[0]
    assert tools == ["read_file"]
    assert "system" in str(messages[0])
    assert [type(part) for part in messages[2].parts] == [ToolReturnPart]


async def test_a_failing_provider_is_told_without_the_key() -> None:
    def answer(_messages: list[Any], _info: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(401, "gpt-5", f"Incorrect API key provided: {KEY}")

    with pytest.raises(ModelUnavailable) as failed:
        await provider(answer).ask(Request(system="s", messages=(Told(text="t"),), max_tokens=1, limit_s=5))
    assert KEY not in str(failed.value)
    assert "401" in str(failed.value)
    assert failed.value.__cause__ is None


async def test_the_key_comes_from_a_variable_or_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    named = await provider_of(load_config(provider={"model": "test", "key_env": "MY_KEY"}))
    assert named is not None
    assert named.secrets == (KEY,)
    script = tmp_path / "key"
    script.write_text(f"#!/bin/sh\necho {KEY}\n", encoding="utf-8")
    script.chmod(0o700)
    printed = await provider_of(load_config(provider={"model": "test", "key_command": [str(script)]}))
    assert printed is not None
    assert printed.secrets == (KEY,)
    assert await provider_of(load_config()) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key_env": "NOT_SET"}, "NOT_SET"),
        ({"key_command": ["false"]}, "exit code 1"),
        ({"key_command": ["/nowhere/at/all"]}, "command for the provider's key failed"),
    ],
)
async def test_a_key_that_cannot_be_had_is_told_when_the_model_is_asked(
    given: dict[str, Any], said: str
) -> None:
    """A server whose provider is misconfigured still serves everything else."""
    found = await provider_of(load_config(provider={"model": "test", **given}))
    assert found is not None
    with pytest.raises(ModelUnavailable, match=said):
        await found.ask(Request(system="s", messages=(Told(text="t"),), max_tokens=1, limit_s=5))


def test_commands_are_never_given_the_variable_of_the_key() -> None:
    with pytest.raises(ConfigInvalid, match="holds the provider's key"):
        load_config(pass_env=("MY_KEY",), provider={"model": "test", "key_env": "MY_KEY"})
    with pytest.raises(ConfigInvalid, match="one of key_env and key_command"):
        load_config(provider={"model": "test", "key_env": "A", "key_command": ["b"]})


async def test_the_librarys_own_test_model_is_reached_by_name() -> None:
    found = await provider_of(load_config(provider={"model": "test"}))
    assert found is not None
    said = await found.ask(Request(system="s", messages=(Told(text="t"),), max_tokens=10, limit_s=5))
    assert said.text
    assert said.model == "test"


@pytest.mark.needs_host
async def test_roles_are_held_by_the_provider_where_the_host_lends_no_model(
    user_repo: UserRepoFixture,
) -> None:
    user_repo.commit("policy", {"pev.toml": 'checks = ["format"]\n'})
    accept = json.dumps({"verdict": "ACCEPT", "summary": f"fine, and the key is {KEY}"})

    def answer(messages: list[Any], _info: AgentInfo) -> ModelResponse:
        text = TESTS if "You are the tester" in str(messages) else accept
        return ModelResponse(parts=[TextPart(text)])

    async with session(user_repo.path, elicitation_handler=Person(APPROVE), asker=provider(answer)) as client:
        run_id = str((await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"])
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        await call(client, "make_worktree", run_id=run_id)
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content="X = 1\n")
        tests = await call(client, "draft_tests", run_id=run_id)
        review = await call(client, "review_change", run_id=run_id)
        trail = str(await call(client, "query_trail", query={"limit": 500}))
    assert tests["source"] == "provider"
    assert tests["model"] == "gpt-5-scripted"
    assert review["reviews"][0]["source"] == "provider"
    for text in (str(tests), str(review), trail):
        assert KEY not in text
    assert "[redacted:known-value#" in trail


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async def never(_messages: list[Any], _info: AgentInfo) -> ModelResponse:
        await anyio.sleep_forever()
        raise AssertionError

    slow = Provider(SETTINGS, KEY, model=FunctionModel(never))
    with pytest.raises(ModelUnavailable, match="gave no answer"):
        await slow.ask(Request(system="s", messages=(Told(text="t"),), max_tokens=1, limit_s=0.05))


@pytest.mark.needs_host
async def test_the_provider_drafts_the_plan_where_the_host_lends_no_model(user_repo: UserRepoFixture) -> None:
    model = provider(lambda _messages, _info: ModelResponse(parts=[TextPart(json.dumps(PLAN))]))
    async with session(user_repo.path, elicitation_handler=Person(APPROVE), asker=model) as client:
        draft = await call(client, "draft_plan", task="Add slugify")
        plan = await client.read_resource(f"pev://runs/{draft['run']['run_id']}/plan")
    assert draft["run"]["status"] == "approved"
    assert draft["brief"] == ""
    assert '"source":"provider"' in str(plan)
    assert "gpt-5-scripted" in str(plan)
