"""The loop on a real repository with the real gate and a scripted model: from task to pull request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pev.engine import Engine, open_engine
from pev.errors import ModelUnavailable
from pev.events import Kind
from pev.models import run_stream
from pev.phases import Phase
from pev.run import RunState, Status
from support.engines import AGENT, APPROVE, config, decide
from support.loops import ACCEPT, FIXES, POLICY, REJECT, RIGHT, TESTS, WRONG, script, writes
from support.repos import UserRepoFixture
from support.roles import Script


@asynccontextmanager
async def looping(repo: UserRepoFixture, model: Script, policy: str = POLICY) -> AsyncIterator[Engine]:
    """Open an engine with a scripted model over a repository with a light policy."""
    repo.commit("policy", {"pev.toml": policy})
    async with open_engine(config(), cwd=repo.path, asker=model) as engine:
        yield engine


async def _planned(engine: Engine, **options: Any) -> RunState:
    state = await engine.planning.open_run(AGENT, "Add slugify")
    await engine.looping.start(AGENT, state.id, **options)
    assert await engine.looping.drive(AGENT, state.id, wait_s=240) is Phase.PERSON
    return await decide(engine, state.id, APPROVE)


async def _driven(engine: Engine, state: RunState) -> RunState:
    await engine.looping.drive(AGENT, state.id, wait_s=240)
    return await engine.core.state(state.id)


async def test_a_wrong_change_is_found_told_to_the_next_attempt_and_fixed(user_repo: UserRepoFixture) -> None:
    model = Script(**script())
    async with looping(user_repo, model) as engine:
        state = await _driven(engine, await _planned(engine))
        events = engine.core.trail.read(run_stream(state.id))
        body = await engine.reading.pr_body(AGENT, state.id)
    assert state.status is Status.PR_OPEN
    assert state.pr is not None
    assert user_repo.git("show", f"{state.pr.commit}:src/app/slug.py") == RIGHT.strip()
    assert [gate.outcome for gate in state.gates] == ["FAILED", "PASSED"]
    assert state.work.turns == 2
    assert "criterion c1 is not met" in model.prompts("author")[2]
    assert "foo-bar" not in "".join(model.prompts("author"))
    assert "text.split()" not in "".join(model.prompts("tester"))
    assert [role for role, _ in model.asked].count("planner") == 1
    assert state.work.spent.calls == len(model.asked) == 9
    assert state.work.spent.tokens == 900
    assert state.work.authored is not None
    assert state.work.authored.whole
    assert "author: openai:gpt-scripted" in body
    assert "of the author's model family" in body
    assert sum(one.kind is Kind.PR_OPENED for one in events) == 1


async def test_attempts_that_run_out_escalate_with_what_was_tried(user_repo: UserRepoFixture) -> None:
    model = Script(**script(author=[writes(WRONG), "one", writes(WRONG + "\n\nA = 1\n"), "two"]))
    async with looping(user_repo, model) as engine:
        state = await _driven(engine, await _planned(engine, attempts=2))
        question = await engine.desk.question(state.id, AGENT)
        assert state.status is Status.ESCALATED
        assert "2 attempts are used up" in state.reason
        assert question is not None
        assert "criterion c1 is not met" in question.text
        model.answers = script(author=[*["x"] * 4, writes(RIGHT), "now"])
        state = await decide(engine, state.id, {"decision": "retry", "comment": "lower the letters"})
        state = await _driven(engine, state)
    assert state.status is Status.PR_OPEN
    assert "lower the letters" in model.prompts("author")[4]


@pytest.mark.slow
async def test_a_rejection_goes_back_to_the_author_with_its_reasons(user_repo: UserRepoFixture) -> None:
    model = Script(
        **script(
            author=[writes(RIGHT), "one", writes(RIGHT + "\n\nA = 1\n"), "two"], reviewer=[REJECT, ACCEPT]
        )
    )
    async with looping(user_repo, model) as engine:
        state = await _driven(engine, await _planned(engine))
    assert state.status is Status.PR_OPEN
    assert "capitals are kept" in model.prompts("author")[2]
    assert [one.opinion for one in state.work.reviews if one.role == "reviewer"] == ["REJECT", "ACCEPT"]


async def test_a_spent_budget_escalates(user_repo: UserRepoFixture) -> None:
    model = Script(**script())
    async with looping(user_repo, model) as engine:
        state = await engine.planning.open_run(AGENT, "Add slugify")
        engine.core.config = config(provider={"model": "test", "max_calls": 4})
        await engine.looping.start(AGENT, state.id)
        await engine.looping.drive(AGENT, state.id, wait_s=60)
        await decide(engine, state.id, APPROVE)
        state = await _driven(engine, state)
    assert state.status is Status.ESCALATED
    assert "4 of 4 model calls" in state.reason
    assert state.work.spent.calls == 5


@pytest.mark.parametrize(
    ("reviewer", "comment"),
    [([ACCEPT], ""), (["no verdict", ACCEPT], ""), ([ACCEPT], "name it better")],
    ids=["before", "between-two-answers", "with-a-word-to-the-author"],
)
async def test_a_budget_that_is_spent_before_the_reviews_escalates_and_is_gone_on_from(
    user_repo: UserRepoFixture, reviewer: list[str], comment: str
) -> None:
    """The change passed its gate: the person sees that, and with more to spend it is reviewed as it is."""
    model = Script(**script(author=[writes(RIGHT), "done"], reviewer=reviewer))
    async with looping(user_repo, model) as engine:
        state = await engine.planning.open_run(AGENT, "Add slugify")
        engine.core.config = config(provider={"model": "test", "max_calls": 2 + len(reviewer) - 1})
        await engine.looping.start(AGENT, state.id, judges=["reviewer"])
        await engine.looping.drive(AGENT, state.id, wait_s=60)
        state = await decide(engine, state.id, APPROVE)
        state = await _driven(engine, state)
        question = await engine.desk.question(state.id, AGENT)
        assert state.status is Status.ESCALATED
        assert question is not None
        assert "model calls" in question.text
        assert "the gate passed" in question.text
        tries = len(model.prompts("author"))
        state = await decide(engine, state.id, {"decision": "retry", "comment": comment})
        assert state.work.ready == (not comment)
        state = await _driven(engine, state)
    assert state.status is Status.PR_OPEN
    assert len(model.prompts("author")) == tries + bool(comment)


async def test_a_model_that_fails_stops_the_loop_and_the_next_call_goes_on(
    user_repo: UserRepoFixture,
) -> None:
    fails = [True]

    async def before(role: str, _times: int) -> None:
        if role == "author" and fails:
            fails.clear()
            raise ModelUnavailable("overloaded")

    model = Script(before, **script(author=[*FIXES[2:3], *FIXES[3:]]))
    async with looping(user_repo, model) as engine:
        state = await _planned(engine, judges=["reviewer"])
        with pytest.raises(ModelUnavailable, match="overloaded"):
            await engine.looping.drive(AGENT, state.id, wait_s=60)
        state = await _driven(engine, state)
    assert state.status is Status.PR_OPEN
    assert state.work.held_out is None
    assert model.prompts("tester") == []


@pytest.mark.slow
async def test_a_useless_answer_is_asked_for_once_more_and_its_words_go_nowhere(
    user_repo: UserRepoFixture,
) -> None:
    model = Script(**script(planner=["no", script()["planner"]], tester=["def test_wunderbar(): ...", TESTS]))
    async with looping(user_repo, model) as engine:
        state = await _driven(engine, await _planned(engine, judges=["tester"]))
        events = str(engine.core.trail.read(run_stream(state.id)))
    assert state.status is Status.PR_OPEN
    assert len(model.prompts("planner")) == len(model.prompts("tester")) == 2
    assert "wunderbar" not in events


async def test_the_author_is_told_what_its_tools_refuse(user_repo: UserRepoFixture) -> None:
    odd = [
        ("write_file", {"path": "../out.py", "content": "x"}),
        ("write_file", {"path": "x.py"}),
        ("run_command", {"argv": "ls"}),
        ("approve", {}),
        ("run_command", {"argv": ["cat", "src/app/calc.py"]}),
        ("list_files", {}),
        ("search_files", {"pattern": "def add"}),
    ]
    model = Script(
        **script(
            author=[
                odd,
                [("edit_file", {"path": "README.md", "old": "# app", "new": "# App"})],
                writes(RIGHT),
                "ok",
            ]
        )
    )
    async with looping(user_repo, model) as engine:
        state = await _driven(engine, await _planned(engine, judges=[]))
    assert state.status is Status.PR_OPEN
    told = model.prompts("author")[1]
    for part in (
        "[path.escapes]",
        "content is null",
        "argv is no list",
        "no tool 'approve'",
        "exit code 0",
        "def add",
    ):
        assert part in told
    assert not (user_repo.path / "out.py").exists()
