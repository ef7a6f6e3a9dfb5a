"""Reviews over MCP: by sampling, or by a session of the role; a rejection blocks until it is answered."""

import json
from typing import Any

import pytest
from fastmcp import Client

from pev.models import Role
from support.clients import APPROVE, MOSTLY_MODERN, Era, Person, call, refusal
from support.plans import PLAN
from support.repos import UserRepoFixture
from support.roles import Model, session

POLICY = 'checks = ["format"]\n[roles]\nrequire = ["reviewer"]\n'
SLUG = '"""Addresses."""\n\n\ndef slugify(text: str) -> str:\n    return "-".join(text.split())\n'
OBJECTION = {"path": "src/app/slug.py", "line": 5, "message": "capitals are kept"}
REJECT = json.dumps({"verdict": "REJECT", "summary": "wrong", "objections": [OBJECTION]})
ACCEPT = json.dumps({"verdict": "ACCEPT", "summary": "as planned"})
pytestmark = pytest.mark.needs_host


async def _passed(client: Client[Any]) -> str:
    run_id = str((await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"])
    await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    await call(client, "make_worktree", run_id=run_id)
    await _write(client, run_id, SLUG)
    return run_id


async def _write(client: Client[Any], run_id: str, text: str) -> None:
    await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=text)
    gate = await call(client, "run_gate", run_id=run_id, wait_s=240)
    assert gate["status"] == "passed", gate


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_a_rejection_sends_the_run_back_until_another_snapshot_is_reviewed(
    era: Era, user_repo: UserRepoFixture
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Model(planner="no", reviewer=[REJECT, ACCEPT])
    async with session(
        user_repo.path, era=era, elicitation_handler=Person(APPROVE), sampling_handler=model
    ) as client:
        run_id = await _passed(client)
        early = await refusal(client, "open_pr", run_id=run_id)
        first = await call(client, "review_change", run_id=run_id)
        blocked = await refusal(client, "open_pr", run_id=run_id)
        prompt = str(await client.get_prompt("author", {"run_id": run_id}))
        await _write(client, run_id, SLUG.replace("text.split", "text.lower().split"))
        unanswered = await refusal(client, "open_pr", run_id=run_id)
        second = await call(client, "review_change", run_id=run_id)
        opened = await call(client, "open_pr", run_id=run_id)
    assert early.startswith("[review.missing]")
    assert first["status"] == "executing"
    assert first["reviews"][0]["objections"] == [OBJECTION]
    assert first["reviews"][0]["source"] == "host-sampled"
    assert blocked.startswith("[run.state]")
    assert "src/app/slug.py:5: capitals are kept" in prompt
    assert "not this snapshot" in unanswered
    assert second["reviews"][0]["opinion"] == "ACCEPT"
    assert second["reviews"][0]["kin"] == "unknown"
    assert "reviewer: ACCEPT" in opened["body"]
    assert "not known to be of another model family" in opened["body"]
    shown = [text for role, text in model.asked if role == "reviewer"]
    assert "text.split()" in shown[0]
    assert "text.lower().split()" in shown[1]


async def test_a_person_can_decide_against_a_rejection_of_this_snapshot(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Model(planner="no", reviewer=REJECT)
    person = Person(APPROVE)
    async with session(user_repo.path, elicitation_handler=person, sampling_handler=model) as client:
        run_id = await _passed(client)
        await call(client, "review_change", run_id=run_id)
        again = await call(client, "run_gate", run_id=run_id, wait_s=240)
        assert again["status"] == "passed"
        blocked = await refusal(client, "open_pr", run_id=run_id)
        decided = await call(client, "request_decision", run_id=run_id)
        opened = await call(client, "open_pr", run_id=run_id)
    assert "wants a person's decision" in blocked
    assert "The reviewer rejected it: wrong" in person.shown[-1]
    assert "src/app/slug.py:5: capitals are kept" in person.shown[-1]
    assert decided["approvals"][-1]["boundary"] == "merge"
    assert "A person decided to go on although" in opened["body"]
    assert "capitals are kept" in opened["body"]


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_without_sampling_a_session_of_the_role_reviews(era: Era, user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY.replace('["reviewer"]', '["security"]')})
    async with session(user_repo.path, era=era, elicitation_handler=Person(APPROVE)) as author:
        run_id = await _passed(author)
        told = await call(author, "review_change", run_id=run_id, role="security")
        assert told["brief"] == ""
        assert "pev serve --role security" in told["notes"][0]
        async with session(user_repo.path, Role.SECURITY, era=era) as judge:
            other = await refusal(judge, "review_change", run_id=run_id, role="reviewer")
            asked = await call(judge, "review_change", run_id=run_id)
            given = {"run_id": run_id, "snapshot": asked["snapshot"], "summary": "s"}
            wrong = {**OBJECTION, "path": "README.md"}
            refused = await refusal(judge, "submit_review", **given, verdict="REJECT", objections=[wrong])
            stale = await refusal(judge, "submit_review", **{**given, "snapshot": "0" * 40}, verdict="ACCEPT")
            taken = await call(judge, "submit_review", **given, verdict="ACCEPT")
        opened = await call(author, "open_pr", run_id=run_id)
    assert other.startswith("[role.refused]")
    assert "You are the security reviewer" in asked["brief"]
    assert "text.split()" in asked["brief"]
    assert refused.startswith("[review.invalid]")
    assert stale.startswith("[review.invalid]")
    assert taken["reviews"][0]["role"] == "security"
    assert "security: ACCEPT" in opened["body"]


async def test_a_policy_that_demands_another_family_is_not_satisfied_by_what_cannot_be_told(
    user_repo: UserRepoFixture,
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY + 'different = ["reviewer"]\n'})
    model = Model(planner="no", reviewer=ACCEPT)
    async with session(user_repo.path, elicitation_handler=Person(APPROVE), sampling_handler=model) as client:
        run_id = await _passed(client)
        await call(client, "review_change", run_id=run_id)
        said = await refusal(client, "open_pr", run_id=run_id)
    assert said.startswith("[review.missing]")
    assert "not known to be of another model family" in said


async def test_a_change_that_is_too_large_to_be_shown_whole_is_not_reviewed(
    user_repo: UserRepoFixture,
) -> None:
    """What is cut out of the middle would be accepted unseen."""
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Model(planner="no", reviewer=ACCEPT)
    async with session(user_repo.path, elicitation_handler=Person(APPROVE), sampling_handler=model) as client:
        run_id = await _passed(client)
        large = "".join(f"X{n} = {n}\n" for n in range(20_000))
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=large)
        said = await refusal(client, "review_change", run_id=run_id)
    assert said.startswith("[review.invalid]")
    assert "too large" in said
    assert "reviewer" not in dict(model.asked)
