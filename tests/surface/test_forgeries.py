"""Answers that nobody asked for, replays, and answers after a restart, in the stateless era."""

from typing import Any

import pytest
from fastmcp import Client
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult, TextContent

from support.clients import Person, call, connected
from support.plans import PLAN
from support.repos import UserRepoFixture

_YES: Any = ElicitResult(action="accept", content={"decision": "approve", "comment": ""})


async def _raw(
    client: Client[Any], tool: str, arguments: dict[str, Any], **back: Any
) -> CallToolResult | InputRequiredResult:
    answer = await client.session.call_tool(tool, arguments, allow_input_required=True, **back)
    assert isinstance(answer, CallToolResult | InputRequiredResult)
    return answer


def _words(answer: CallToolResult | InputRequiredResult) -> str:
    assert isinstance(answer, CallToolResult)
    assert answer.is_error
    first = answer.content[0]
    assert isinstance(first, TextContent)
    return first.text


async def _opened(client: Client[Any]) -> str:
    draft = await call(client, "draft_plan", task="Add slugify")
    return str(draft["run"]["run_id"])


async def test_an_answer_on_a_first_call_is_refused_and_recorded(user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path, elicitation_handler=Person("cancel")) as client:
        run_id = await _opened(client)
        arguments = {"run_id": run_id, "plan": PLAN}
        answer = await _raw(client, "submit_plan", arguments, input_responses={"decision": _YES})
        assert _words(answer).startswith("[decision.invalid]")
        run = await call(client, "request_decision", run_id=run_id)
        trail = await call(client, "query_trail", query={"run": run_id, "kinds": ["decision.refused"]})
    assert run["status"] == "drafted"
    assert len(trail["events"]) == 1


async def test_an_answer_counts_once(user_repo: UserRepoFixture) -> None:
    """A replayed request state belongs to a question that was answered."""
    async with connected("memory", user_repo.path, elicitation_handler=Person("cancel")) as client:
        run_id = await _opened(client)
        arguments = {"run_id": run_id, "plan": PLAN}
        asked = await _raw(client, "submit_plan", arguments)
        assert isinstance(asked, InputRequiredResult)
        back = {"input_responses": {"decision": _YES}, "request_state": asked.request_state}
        first = await _raw(client, "submit_plan", arguments, **back)
        assert isinstance(first, CallToolResult)
        assert not first.is_error
        again = await _raw(client, "submit_plan", arguments, **back)
        assert _words(again).startswith("[decision.invalid]")
        run = await call(client, "request_decision", run_id=run_id)
    assert run["status"] == "approved"
    assert len(run["approvals"]) == 1


async def test_a_state_that_we_did_not_seal_is_refused(user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path, elicitation_handler=Person("cancel")) as client:
        run_id = await _opened(client)
        arguments = {"run_id": run_id, "plan": PLAN}
        forged = '{"run": "' + run_id + '", "nonce": "x"}'
        with pytest.raises(Exception, match=r"(?i)state|invalid"):
            await _raw(
                client,
                "submit_plan",
                arguments,
                input_responses={"decision": _YES},
                request_state=forged,
            )
        run = await call(client, "request_decision", run_id=run_id)
    assert run["status"] == "drafted"


async def test_a_question_survives_a_restart_of_the_server(user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path, elicitation_handler=Person("cancel")) as client:
        run_id = await _opened(client)
        arguments = {"run_id": run_id, "plan": PLAN}
        asked = await _raw(client, "submit_plan", arguments)
        assert isinstance(asked, InputRequiredResult)
    async with connected("memory", user_repo.path, elicitation_handler=Person("cancel")) as client:
        back = {"input_responses": {"decision": _YES}, "request_state": asked.request_state}
        answer = await _raw(client, "submit_plan", arguments, **back)
        assert isinstance(answer, CallToolResult)
        assert not answer.is_error
        run = await call(client, "request_decision", run_id=run_id)
    assert run["status"] == "approved"


async def test_an_approval_of_revision_1_does_not_pass_for_revision_2(user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path, elicitation_handler=Person("cancel")) as client:
        run_id = await _opened(client)
        first = {"run_id": run_id, "plan": PLAN}
        asked = await _raw(client, "submit_plan", first)
        assert isinstance(asked, InputRequiredResult)
        await _raw(client, "submit_plan", {"run_id": run_id, "plan": {**PLAN, "goal": "Something else"}})
        back = {"input_responses": {"decision": _YES}, "request_state": asked.request_state}
        answer = await _raw(client, "submit_plan", first, **back)
        assert _words(answer).startswith("[decision.invalid]")
        run = await call(client, "request_decision", run_id=run_id)
    assert run["status"] == "awaiting_approval"
