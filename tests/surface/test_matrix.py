"""Both eras, both transports, hosts with and without a way to ask: the same discipline everywhere."""

import json
from pathlib import Path

import pytest

from support.clients import APPROVE, ERAS, TRANSPORTS, Era, Person, call, connected, refusal
from support.plans import PLAN
from support.repos import UserRepoFixture

TASK = "Add slugify"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_host_that_can_ask_gets_its_person_to_approve(
    transport: str, era: Era, user_repo: UserRepoFixture
) -> None:
    person = Person(APPROVE)
    async with connected(transport, user_repo.path, era=era, elicitation_handler=person) as client:
        draft = await call(client, "draft_plan", task=TASK)
        run_id = draft["run"]["run_id"]
        assert "brief" in draft
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        assert run["status"] == "approved"
        assert run["approvals"][0]["channel"] == "host-form"
        assert "Add a slugify function" in person.shown[0]
        made = await call(client, "make_worktree", run_id=run_id)
    assert Path(made["worktree"], "src/app/calc.py").is_file()
    assert made["branch"].startswith("agent/")
    assert made["status"] == "executing"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_host_that_cannot_ask_is_told_what_a_person_does(
    transport: str, era: Era, user_repo: UserRepoFixture
) -> None:
    async with connected(transport, user_repo.path, era=era) as client:
        draft = await call(client, "draft_plan", task=TASK)
        run_id = draft["run"]["run_id"]
        assert "JSON schema" in draft["brief"]
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        assert run["status"] == "awaiting_approval"
        assert f"pev approve {run_id}" in " ".join(run["notes"])
        said = await refusal(client, "make_worktree", run_id=run_id)
    assert said.startswith("[run.state]")
    assert "awaiting_approval" in said
    assert "request_decision" in said


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_host_that_lends_its_model_gets_a_drafted_plan(
    transport: str, era: Era, user_repo: UserRepoFixture
) -> None:

    asked: list[str] = []

    async def sample(messages: list[object], params: object, _context: object) -> str:
        asked.append(str(getattr(params, "system_prompt", "")))
        return f"Here is the plan:\n```json\n{json.dumps(PLAN)}\n```"

    person = Person(APPROVE)
    async with connected(
        transport, user_repo.path, era=era, elicitation_handler=person, sampling_handler=sample
    ) as client:
        draft = await call(client, "draft_plan", task=TASK)
    assert draft["run"]["status"] == "approved"
    assert draft["brief"] == ""
    assert "planner" in asked[0]


@pytest.mark.parametrize("era", ERAS)
async def test_open_questions_are_asked_first_and_answered_in_the_next_revision(
    era: Era, user_repo: UserRepoFixture
) -> None:
    asking = {**PLAN, "open_questions": [{"id": "q1", "question": "Which alphabet?", "choices": ["a", "b"]}]}
    person = Person({"q_q1": "a"}, APPROVE)
    async with connected("memory", user_repo.path, era=era, elicitation_handler=person) as client:
        run_id = (await call(client, "draft_plan", task=TASK))["run"]["run_id"]
        run = await call(client, "submit_plan", run_id=run_id, plan=asking)
    assert run["status"] == "approved"
    assert run["plan"]["revision"] == 2
    assert "Which alphabet?" in person.shown[0]
    assert "Which alphabet? → a" in person.shown[1]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_form_without_an_answer_decides_nothing(
    era: Era, action: str, user_repo: UserRepoFixture
) -> None:
    async with connected("memory", user_repo.path, era=era, elicitation_handler=Person(action)) as client:
        run_id = (await call(client, "draft_plan", task=TASK))["run"]["run_id"]
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    assert run["status"] == "awaiting_approval"
    assert action in " ".join(run["notes"])


@pytest.mark.parametrize("era", ERAS)
async def test_asking_for_changes_sends_the_run_back_with_the_persons_words(
    era: Era, user_repo: UserRepoFixture
) -> None:
    person = Person({"decision": "change", "comment": "smaller, please"})
    async with connected("memory", user_repo.path, era=era, elicitation_handler=person) as client:
        run_id = (await call(client, "draft_plan", task=TASK))["run"]["run_id"]
        run = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    assert run["status"] == "drafted"
    assert run["guidance"] == ["smaller, please"]


@pytest.mark.parametrize("era", ERAS)
async def test_an_answer_that_does_not_fit_the_form_decides_nothing(
    era: Era, user_repo: UserRepoFixture
) -> None:
    """Hosts do not validate: a number for a text reached the tool in the newer era."""
    person = Person({"decision": 1, "comment": ""})
    async with connected("memory", user_repo.path, era=era, elicitation_handler=person) as client:
        run_id = (await call(client, "draft_plan", task=TASK))["run"]["run_id"]
        said = await refusal(client, "submit_plan", run_id=run_id, plan=PLAN)
        trail = await call(client, "query_trail", query={"run": run_id, "kinds": ["decision.refused"]})
    assert said.startswith("[decision.invalid]") or "host could not ask" in said
    assert len(trail["events"]) >= 1
