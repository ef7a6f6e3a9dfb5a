"""A run from plan to pull request, on a real repository with the real gate."""

import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest

from pev.engine import Engine
from pev.errors import DecisionInvalid, NotPassed, RunStateRefused, WorktreeMissing
from pev.events import Actor, Kind, NewEvent
from pev.findings import GateReport, Outcome
from pev.models import run_stream
from pev.run import RunState, Status
from pev.trail.query import TrailQuery
from support.engines import AGENT, PERSON, approved, decide, engine_at, trusted
from support.plans import plan
from support.repos import UserRepoFixture

pytestmark = [pytest.mark.needs_host, pytest.mark.needs_index]
SLUG = '"""Addresses."""\n\n\ndef slugify(text: str) -> str:\n    return "-".join(text.lower().split())\n'
UNUSED = SLUG.replace('"""Addresses."""\n', '"""Addresses."""\n\nimport os\n')
TESTS = (
    "from app.slug import slugify\n\n\n"
    'def test_c1_words_are_joined() -> None:\n    assert slugify("A  b") == "a-b"\n'
)
LIGHT = {"pev.toml": 'checks = ["format", "lint"]\n'}
"""For what happens around a gate, whatever it measures."""


async def _ready(engine: Engine, **changes: Any) -> RunState:
    await trusted(engine)
    state = await approved(engine, plan(**changes))
    made, _ = await engine.executing.make(AGENT, state.id)
    return made


async def _write(engine: Engine, state: RunState, **files: str) -> None:
    for name, text in files.items():
        await engine.executing.write(AGENT, state.id, name.replace("__", "/") + ".py", text)


async def _gate(engine: Engine, state: RunState) -> tuple[RunState, GateReport]:
    judged = await engine.verifying.run_gate(AGENT, state.id, wait_s=240)
    assert judged.report is not None
    return judged.state, judged.report


async def test_a_wrong_change_fails_and_the_fix_becomes_a_pull_request(user_repo: UserRepoFixture) -> None:
    before = user_repo.git("rev-parse", "HEAD"), user_repo.git("status", "--porcelain=v2", "--branch")
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=UNUSED, tests__test_slug=TESTS)
        state, report = await _gate(engine, state)
        assert state.status is Status.FAILED, report
        assert ("lint", "F401", "src/app/slug.py") in {
            (one.check, one.rule, one.path) for one in report.findings if one.counts()
        }
        await _write(engine, state, src__app__slug=SLUG)
        state, report = await _gate(engine, state)
        assert state.status is Status.PASSED, report.model_dump_json(indent=1)
        state, body = await engine.shipping.open_pr(AGENT, state.id)
        verified = await engine.reading.verify(PERSON)
    assert state.pr is not None
    branch = f"agent/{state.id}"
    assert user_repo.git("rev-parse", branch) == state.pr.commit
    assert user_repo.git("rev-parse", f"{branch}^{{tree}}") == report.snapshot
    assert user_repo.git("log", "-1", "--format=%an", branch) == "PEV"
    assert f"PEV-Run: {state.id}" in user_repo.git("log", "-1", "--format=%B", branch)
    for part in (
        "| tests | passed",
        "ran in a sandbox",
        "local:ada",
        state.id,
        report.snapshot,
        "src/app/slug.py",
    ):
        assert part in body
    assert verified.intact
    after = user_repo.git("rev-parse", "HEAD"), user_repo.git("status", "--porcelain=v2", "--branch")
    assert before == after


async def test_a_change_after_the_gate_is_not_shipped(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", LIGHT)
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        state, _ = await _gate(engine, state)
        assert state.status is Status.PASSED
        await _write(engine, state, src__app__slug=SLUG + "\n# afterwards\n")
        with pytest.raises(NotPassed, match="the gate judged"):
            await engine.shipping.open_pr(AGENT, state.id)
    assert "agent/" not in user_repo.git("branch", "--list")


async def test_open_pr_twice_is_one_pull_request_and_merging_is_seen(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", LIGHT)
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        await _gate(engine, state)
        first, _ = await engine.shipping.open_pr(AGENT, state.id)
        again, _ = await engine.shipping.open_pr(AGENT, state.id)
        assert first.pr == again.pr
        assert (await engine.shipping.sync_pr(AGENT, state.id)).status is Status.PR_OPEN
        user_repo.git("merge", "-q", "--no-ff", "-m", "merge", f"agent/{state.id}")
        merged = await engine.shipping.sync_pr(AGENT, state.id)
        opened = await engine.reading.query(PERSON, TrailQuery(run=state.id, kinds=(Kind.PR_OPENED,)))
    assert merged.status is Status.MERGED
    assert merged.pr is not None
    assert "Ada Test" in merged.pr.merged_by
    assert len(opened.events) == 1


async def test_when_the_attempts_are_used_up_a_person_decides(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", LIGHT)
    async with engine_at(user_repo.path, max_attempts=1) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=UNUSED, tests__test_slug=TESTS)
        state, _ = await _gate(engine, state)
        assert state.status is Status.ESCALATED
        with pytest.raises(RunStateRefused, match="escalated"):
            await engine.verifying.run_gate(AGENT, state.id, wait_s=5)
        question = await engine.desk.question(state.id, AGENT)
        assert question is not None
        assert "lint/F401 src/app/slug.py" in question.text
        state = await decide(engine, state.id, {"decision": "retry", "comment": "remove the import"})
        assert state.status is Status.EXECUTING
        assert state.guidance == ("remove the import",)
        await _write(engine, state, src__app__slug=SLUG)
        state, _ = await _gate(engine, state)
        assert state.status is Status.PASSED


async def test_a_held_change_passes_when_a_person_lets_it_through_on_this_snapshot(
    user_repo: UserRepoFixture,
) -> None:
    user_repo.commit("policy", LIGHT)
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        await engine.executing.write(AGENT, state.id, "ruff.toml", "line-length = 120\n")
        state, report = await _gate(engine, state)
        assert report.outcome is Outcome.HELD, report.model_dump_json(indent=1)
        held = next(one for one in report.findings if one.counts())
        assert held.path == "ruff.toml"
        await engine.escalate(AGENT, state.id, "the line length is wanted")
        with pytest.raises(DecisionInvalid, match="names 0 findings"):
            await decide(engine, state.id, {"decision": "allow", "comment": "ok", "findings": "00000000"})
        answer = {"decision": "allow", "comment": "agreed in review", "findings": held.fingerprint[:8]}
        state = await decide(engine, state.id, answer)
        state, report = await _gate(engine, state)
        assert report.outcome is Outcome.PASSED, report.model_dump_json(indent=1)
        _, body = await engine.shipping.open_pr(AGENT, state.id)
    assert "agreed in review" in body


async def test_an_unchanged_snapshot_is_not_measured_again(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        state, first = await _gate(engine, state)
        state, again = await _gate(engine, state)
    assert not first.cached
    assert again.cached
    assert again.key == first.key
    assert state.attempts_used == 0


async def test_a_gate_that_nobody_waits_for_goes_on_and_is_joined(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", LIGHT)
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        early = await engine.verifying.run_gate(AGENT, state.id, wait_s=0.01)
        assert early.report is None
        _, report = await _gate(engine, state)
        started = await engine.reading.query(PERSON, TrailQuery(run=state.id, kinds=(Kind.GATE_STARTED,)))
    assert report.outcome is Outcome.PASSED
    assert len(started.events) == 1


async def test_a_cancelled_caller_cancels_the_gate_and_the_run_can_go_on(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: engine.verifying.run_gate(AGENT, state.id, wait_s=240))
            while (await engine.run(PERSON, state.id)).status is not Status.VERIFYING:
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        with anyio.fail_after(30):
            while (await engine.run(PERSON, state.id)).status is Status.VERIFYING:
                await anyio.sleep(0.01)
        _, report = await _gate(engine, state)
    assert report.outcome is Outcome.PASSED


async def test_a_gate_whose_process_died_is_started_again(user_repo: UserRepoFixture) -> None:
    """What a killed server leaves is a started gate that nobody holds the lock of."""
    user_repo.commit("policy", LIGHT)
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        body = {"attempt": 1, "snapshot": "0" * 40}
        event = NewEvent(kind=Kind.GATE_STARTED, actor=Actor.of(AGENT), payload=body)
        await engine.core.append(run_stream(state.id), [event])
        assert (await engine.run(PERSON, state.id)).status is Status.VERIFYING
        state, report = await _gate(engine, state)
    assert report.outcome is Outcome.PASSED
    assert state.status is Status.PASSED


async def test_two_processes_on_one_run_judge_it_once(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", LIGHT)
    async with engine_at(user_repo.path) as one, engine_at(user_repo.path) as other:
        state = await _ready(one)
        await _write(one, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        reports: list[GateReport] = []

        async def judge(engine: Engine) -> None:
            reports.append((await _gate(engine, state))[1])

        async with anyio.create_task_group() as group:
            group.start_soon(judge, one)
            group.start_soon(judge, other)
        started = await one.reading.query(PERSON, TrailQuery(run=state.id, kinds=(Kind.GATE_FINISHED,)))
    assert [report.outcome for report in reports] == [Outcome.PASSED] * 2
    assert len({report.key for report in reports}) == 1
    assert len(started.events) <= 2


async def test_without_trust_or_a_sandbox_tests_are_not_run_and_that_is_no_pass(
    user_repo: UserRepoFixture,
) -> None:
    async with engine_at(user_repo.path, sandbox="none") as engine:
        state = await approved(engine, plan())
        await engine.executing.make(AGENT, state.id)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        _, report = await _gate(engine, state)
    tests = next(one for one in report.checks if one.check == "tests")
    assert tests.outcome is Outcome.INCONCLUSIVE
    assert "pev trust" in tests.reason + "".join(one.help for one in tests.findings)
    assert report.outcome is Outcome.INCONCLUSIVE


async def test_removing_a_worktree_keeps_its_work(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        state = await approved(engine, plan())
        made, _ = await engine.executing.make(AGENT, state.id)
        assert made.worktree is not None
        await _write(engine, state, src__app__slug=SLUG)
        after, rescued = await engine.executing.remove(AGENT, state.id)
        depot = await engine.core.depot(await engine.core.repo_of(after))
        kept = await depot.read_blob(await depot.tree_of(rescued), "src/app/slug.py")
    assert after.worktree is None
    assert after.status is Status.APPROVED
    assert not Path(made.worktree.path).exists()
    assert kept == SLUG.encode()


async def test_a_worktree_that_is_gone_can_be_removed_and_made_again(user_repo: UserRepoFixture) -> None:
    """A crash between the removal and its event must not leave the run stuck."""
    async with engine_at(user_repo.path) as engine:
        state = await approved(engine, plan())
        made, _ = await engine.executing.make(AGENT, state.id)
        assert made.worktree is not None
        shutil.rmtree(Path(made.worktree.path).parent)
        with pytest.raises(WorktreeMissing):
            await engine.executing.root(AGENT, state.id)
        after, rescued = await engine.executing.remove(AGENT, state.id)
        assert after.status is Status.APPROVED
        assert rescued == ""
        again, _ = await engine.executing.make(AGENT, state.id)
    assert again.worktree is not None
    assert Path(again.worktree.path, "src/app/calc.py").is_file()


async def test_a_policy_can_want_a_decision_before_the_pull_request(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": f"{LIGHT['pev.toml']}[approval]\nmerge = true\n"})
    async with engine_at(user_repo.path) as engine:
        state = await _ready(engine)
        await _write(engine, state, src__app__slug=SLUG, tests__test_slug=TESTS)
        state, report = await _gate(engine, state)
        assert state.status is Status.PASSED, report.model_dump_json(indent=1)
        with pytest.raises(RunStateRefused, match="wants a person's decision"):
            await engine.shipping.open_pr(AGENT, state.id)
        question = await engine.desk.question(state.id, AGENT)
        assert question is not None
        assert report.snapshot in question.text
        state = await decide(engine, state.id, {"decision": "approve", "comment": ""})
        assert state.status is Status.PASSED
        assert await engine.desk.question(state.id, AGENT) is None
        state, body = await engine.shipping.open_pr(AGENT, state.id)
    assert state.status is Status.PR_OPEN
    assert "merge: approve by local:ada" in body
