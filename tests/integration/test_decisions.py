"""The desk: an answer counts once, for what was shown, from who may, in time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from pev.boundary import desk
from pev.engine import Engine
from pev.errors import DecisionInvalid, Forbidden, PevError, RunStateRefused
from pev.events import Kind
from pev.models import Channel, RunId, Source, now
from pev.run import Status
from pev.trail.query import TrailQuery
from support.engines import AGENT, APPROVE, PERSON, approved, decide, engine_at
from support.plans import plan
from support.repos import UserRepoFixture


async def _waiting(engine: Engine, **changes: Any) -> RunId:
    state = await engine.planning.open_run(AGENT, "Add slugify")
    await engine.planning.submit(AGENT, state.id, plan(**changes), source=Source.HOST_SUBMITTED)
    return state.id


async def _refused(engine: Engine, run_id: RunId) -> int:
    page = await engine.reading.query(PERSON, TrailQuery(run=run_id, kinds=(Kind.DECISION_REFUSED,)))
    return len(page.events)


async def test_the_same_question_keeps_its_nonce_until_it_is_answered(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        first = await engine.desk.question(run_id, AGENT)
        again = await engine.desk.question(run_id, AGENT)
        assert first is not None
        assert first == again


async def test_a_question_survives_the_process(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        asked = await engine.desk.question(run_id, AGENT)
        assert asked is not None
    async with engine_at(user_repo.path) as engine:
        state = await engine.desk.answer(
            run_id, asked.nonce, APPROVE, channel=Channel.TERMINAL, caller=PERSON
        )
    assert state.status is Status.APPROVED


async def test_of_two_people_who_answer_at_once_one_decides(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        question = await engine.desk.question(run_id, AGENT)
        assert question is not None
        outcomes: list[str] = []

        async def answer(raw: dict[str, Any]) -> None:
            try:
                await engine.desk.answer(run_id, question.nonce, raw, channel=Channel.TERMINAL, caller=PERSON)
                outcomes.append("taken")
            except DecisionInvalid:
                outcomes.append("refused")

        async with anyio.create_task_group() as group:
            group.start_soon(answer, APPROVE)
            group.start_soon(answer, {"decision": "reject", "comment": "no"})
        state = await engine.run(PERSON, run_id)
    assert sorted(outcomes) == ["refused", "taken"]
    assert len(state.approvals) == 1


async def test_a_callers_scopes_decide_whether_it_may_answer(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        question = await engine.desk.question(run_id, AGENT)
        assert question is not None
        with pytest.raises(Forbidden, match="pev:approve"):
            await engine.desk.answer(run_id, question.nonce, APPROVE, channel=Channel.TERMINAL, caller=AGENT)


async def test_a_wrong_nonce_is_refused_and_recorded(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        await engine.desk.question(run_id, AGENT)
        with pytest.raises(DecisionInvalid):
            await engine.desk.answer(run_id, "guess", APPROVE, channel=Channel.HOST_FORM, caller=PERSON)
        assert await _refused(engine, run_id) == 1
        assert (await engine.run(PERSON, run_id)).status is Status.AWAITING_APPROVAL


async def test_an_expired_question_is_asked_anew_and_its_late_answer_refused(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_at(user_repo.path, decision_ttl_s=60) as engine:
        run_id = await _waiting(engine)
        old = await engine.desk.question(run_id, AGENT)
        assert old is not None
        later = now() + timedelta(seconds=61)
        monkeypatch.setattr(desk, "now", lambda: later)
        with pytest.raises(DecisionInvalid, match="expired"):
            await engine.desk.answer(run_id, old.nonce, APPROVE, channel=Channel.TERMINAL, caller=PERSON)
        new = await engine.desk.question(run_id, AGENT)
        assert new is not None
        assert new.nonce != old.nonce
        assert new.text == old.text


_STRICT = '[approval]\nassurance = "person-present"\nmin_seconds = 30\n'


async def test_a_policy_can_refuse_weak_channels_and_quick_answers(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_repo.commit("policy", {"pev.toml": _STRICT})
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        question = await engine.desk.question(run_id, AGENT)
        assert question is not None
        with pytest.raises(DecisionInvalid, match="person-present"):
            await engine.desk.answer(
                run_id, question.nonce, APPROVE, channel=Channel.HOST_FORM, caller=PERSON
            )
        with pytest.raises(DecisionInvalid, match="wants 30 s"):
            await engine.desk.answer(run_id, question.nonce, APPROVE, channel=Channel.TERMINAL, caller=PERSON)
        later = now() + timedelta(seconds=31)
        monkeypatch.setattr(desk, "now", lambda: later)
        state = await engine.desk.answer(
            run_id, question.nonce, APPROVE, channel=Channel.TERMINAL, caller=PERSON
        )
    assert state.status is Status.APPROVED


async def test_a_moved_base_branch_changes_nothing_that_was_approved(user_repo: UserRepoFixture) -> None:
    """The base is pinned to a commit when the run opens."""
    pinned = user_repo.git("rev-parse", "HEAD")
    async with engine_at(user_repo.path) as engine:
        state = await approved(engine, plan())
        user_repo.commit("moved on", {"src/app/new.py": '"""New."""\n'})
        made, _ = await engine.executing.make(AGENT, state.id)
        assert made.worktree is not None
        assert made.worktree.base_commit == pinned


async def test_another_base_is_shown_and_the_policy_stays_the_trusted_refs(
    user_repo: UserRepoFixture,
) -> None:
    user_repo.git("checkout", "-q", "-b", "lax")
    user_repo.commit("laxer", {"pev.toml": "coverage_floor = 0\n"})
    user_repo.git("checkout", "-q", "main")
    async with engine_at(user_repo.path) as engine:
        state = await engine.planning.open_run(AGENT, "Add slugify", base="lax")
        await engine.planning.submit(AGENT, state.id, plan(), source=Source.HOST_SUBMITTED)
        question = await engine.desk.question(state.id, AGENT)
    assert state.policy_source == "detected"
    assert question is not None
    assert "The base is not the trusted ref" in question.text


async def test_without_approval_nothing_is_made_judged_or_shipped(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        for act in (
            engine.executing.make(AGENT, run_id),
            engine.executing.command(AGENT, run_id, ["true"], limit_s=5),
            engine.verifying.run_gate(AGENT, run_id, wait_s=5),
            engine.shipping.open_pr(AGENT, run_id),
            engine.escalate(AGENT, run_id, "please"),
        ):
            with pytest.raises(RunStateRefused, match="awaiting_approval"):
                await act


async def test_a_decision_that_nobody_waits_for_is_refused(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        state = await approved(engine, plan())
        assert await engine.desk.question(state.id, AGENT) is None
        with pytest.raises(PevError, match="no open question"):
            await engine.desk.answer(state.id, "x", APPROVE, channel=Channel.TERMINAL, caller=PERSON)


async def test_rejecting_a_plan_ends_the_run(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine)
        state = await decide(engine, run_id, {"decision": "reject", "comment": "wrong idea"})
        assert state.status is Status.ABANDONED
        with pytest.raises(RunStateRefused):
            await engine.planning.submit(AGENT, run_id, plan(), source=Source.HOST_SUBMITTED)


async def test_a_secret_in_a_plan_is_neither_stored_nor_shown_and_the_approval_still_binds(
    user_repo: UserRepoFixture,
) -> None:
    """The hash is of what is stored: it must fit after the secret was taken out."""
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    async with engine_at(user_repo.path) as engine:
        run_id = await _waiting(engine, approach=f"Use the token {token}.")
        question = await engine.desk.question(run_id, AGENT)
        assert question is not None
        assert token not in question.text
        state = await decide(engine, run_id, APPROVE)
        assert state.approved_revision is not None
        assert state.approved_revision.plan.content_hash() == state.approved_revision.plan_hash
        assert (await engine.reading.verify(PERSON)).intact


async def test_trust_is_bound_to_exactly_this_policy(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        await engine.verifying.trust(PERSON, None)
        assert (await engine.verifying.policy(AGENT, None))[1].value == "trusted"
        user_repo.commit("policy", {"pev.toml": "coverage_floor = 70\n"})
        assert (await engine.verifying.policy(AGENT, None))[1].value == "untrusted"


async def test_an_escalation_tells_what_each_attempt_changed_and_cured(user_repo: UserRepoFixture) -> None:
    """And nothing of a log; the person's guidance gives one more attempt."""
    user_repo.commit("policy", {"pev.toml": 'checks = ["lint"]\n'})
    async with engine_at(user_repo.path, sandbox="none", max_attempts=2) as engine:
        run_id = (await approved(engine, plan())).id
        await engine.executing.make(AGENT, run_id)
        for text in ("import os\nimport sys\n", "import os\n"):
            await engine.executing.write(AGENT, run_id, "src/app/slug.py", text)
            await engine.verifying.run_gate(AGENT, run_id, wait_s=60)
        assert (await engine.run(PERSON, run_id)).status is Status.ESCALATED
        question = await engine.desk.question(run_id, AGENT)
        again = await engine.desk.question(run_id, AGENT)
        assert question is not None
        assert question == again
        for part in (
            "Attempts: 2 of 2 used",
            "- 1: FAILED, 2 findings; changed: src/app/slug.py",
            "- 2: FAILED, 1 finding (1 gone, 0 new); changed: src/app/slug.py",
            "- lint: FAILED",
            "lint/F401 src/app/slug.py:1",
            "- 1 defect: fixed in another attempt, or let through by you",
        ):
            assert part in question.text
        state = await decide(engine, run_id, {"decision": "retry", "comment": "drop the import"})
    assert state.status is Status.EXECUTING
    assert (state.max_attempts, state.guidance[-1]) == (3, "drop the import")


async def test_who_takes_over_keeps_the_worktree(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        run_id = (await approved(engine, plan())).id
        made, _ = await engine.executing.make(AGENT, run_id)
        await engine.escalate(AGENT, run_id, "an old finding blocks")
        state = await decide(engine, run_id, {"decision": "take-over", "comment": "by hand"})
        with pytest.raises(RunStateRefused):
            await engine.executing.write(AGENT, run_id, "src/app/slug.py", "x = 1\n")
    assert state.status is Status.ABANDONED
    assert made.worktree is not None
    assert Path(made.worktree.path, "src/app/calc.py").is_file()


async def test_a_policy_can_want_a_persons_word_before_the_pull_request(user_repo: UserRepoFixture) -> None:
    """It is for one judged snapshot: after another gate it is asked anew."""
    policy = 'checks = ["lint"]\n[approval]\nmerge = true\n'
    user_repo.commit("policy", {"pev.toml": policy})
    async with engine_at(user_repo.path, sandbox="none") as engine:
        run_id = (await approved(engine, plan())).id
        await engine.executing.make(AGENT, run_id)
        for text in ('"""Slugs."""\n', '"""More slugs."""\n'):
            await engine.executing.write(AGENT, run_id, "src/app/slug.py", text)
            assert (await engine.verifying.run_gate(AGENT, run_id, wait_s=60)).state.status is Status.PASSED
            with pytest.raises(RunStateRefused, match="wants a person's decision"):
                await engine.shipping.open_pr(AGENT, run_id)
            question = await engine.desk.question(run_id, AGENT)
            assert question is not None
            assert "src/app/slug.py" in question.text
            await decide(engine, run_id, APPROVE)
        state, _ = await engine.shipping.open_pr(AGENT, run_id)
    assert state.status is Status.PR_OPEN
