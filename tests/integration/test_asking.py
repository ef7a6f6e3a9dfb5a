"""What a model answers counts once, for the newest question to its role, and is paid for in any case."""

import pytest

from pev.engine import Engine
from pev.errors import InvalidInput, PlanInvalid, RunStateRefused, TestsInvalid
from pev.models import Role, RunId, Source
from pev.roles.asker import Answer, Said
from pev.roles.brief import Brief
from pev.run import RunState, Status
from support.engines import AGENT, approved, decide, engine_at
from support.loops import ACCEPT, POLICY, RIGHT, TESTS, script
from support.plans import plan
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host


def _says(nonce: str, text: str) -> Answer:
    return Answer(nonce=nonce, said=Said(text=text, model="m", tokens=7), source=Source.HOST_SAMPLED)


async def _changed(engine: Engine, repo: UserRepoFixture) -> RunState:
    repo.commit("policy", {"pev.toml": POLICY})
    state = await approved(engine, plan())
    await engine.executing.make(AGENT, state.id)
    await engine.executing.write(AGENT, state.id, "src/app/slug.py", RIGHT)
    return state


async def _asked(engine: Engine, run_id: RunId, brief: Brief, about: str = "-") -> str:
    return await engine.asking.begin(AGENT, run_id, brief, about=about)


async def test_roles_that_are_asked_at_once_do_not_disturb_each_other(user_repo: UserRepoFixture) -> None:
    """Tests can be written, and both reviewers at work, while each other's answers are on their way."""
    async with engine_at(user_repo.path) as engine:
        run = (await _changed(engine, user_repo)).id
        tests = await _asked(engine, run, await engine.testing.brief(AGENT, run))
        nonces = {}
        for role in (Role.REVIEWER, Role.SECURITY):
            brief, tree = await engine.reviewing.brief(AGENT, run, role)
            nonces[role] = await _asked(engine, run, brief, tree)
        await engine.testing.take(AGENT, run, _says(tests, TESTS))
        with pytest.raises(InvalidInput, match="no security was asked"):
            await engine.reviewing.take(AGENT, run, _says(nonces[Role.REVIEWER], ACCEPT), Role.SECURITY)
        for role, nonce in nonces.items():
            await engine.reviewing.take(AGENT, run, _says(nonce, ACCEPT), role)
        state = await engine.core.state(run)
    assert state.work.held_out is not None
    assert [one.role for one in state.work.reviews] == [Role.REVIEWER, Role.SECURITY]
    assert state.work.spent.calls == 3
    assert state.model_nonces == {}


async def test_a_role_that_was_asked_anew_is_not_believed_in_its_older_answer(
    user_repo: UserRepoFixture,
) -> None:
    async with engine_at(user_repo.path) as engine:
        run = (await _changed(engine, user_repo)).id
        brief = await engine.testing.brief(AGENT, run)
        older, newer = await _asked(engine, run, brief), await _asked(engine, run, brief)
        with pytest.raises(InvalidInput, match="another question was put to it since"):
            await engine.testing.take(AGENT, run, _says(older, TESTS))
        await engine.testing.take(AGENT, run, _says(newer, TESTS))
        with pytest.raises(InvalidInput, match="no question to it stands open"):
            await engine.testing.take(AGENT, run, _says(newer, TESTS))


async def test_an_answer_of_no_use_is_paid_for_and_cannot_be_mended(user_repo: UserRepoFixture) -> None:
    async with engine_at(user_repo.path) as engine:
        state = await engine.planning.open_run(AGENT, "Add slugify")
        nonce = await _asked(engine, state.id, await engine.planning.brief(AGENT, state.id))
        with pytest.raises(PlanInvalid):
            await engine.planning.take(AGENT, state.id, _says(nonce, "no plan"))
        with pytest.raises(InvalidInput):
            await engine.planning.take(AGENT, state.id, _says(nonce, script()["planner"]))
        run = (await _changed(engine, user_repo)).id
        nonce = await _asked(engine, run, await engine.testing.brief(AGENT, run))
        with pytest.raises(TestsInvalid):
            await engine.testing.take(AGENT, run, _says(nonce, "no tests"))
        spent = [(await engine.core.state(one)).work.spent for one in (state.id, run)]
    assert [(one.calls, one.tokens) for one in spent] == [(1, 7), (1, 7)]


async def test_an_authors_answer_to_a_turn_that_is_over_is_refused(user_repo: UserRepoFixture) -> None:
    """While the host's model thought, a person decided: its tool calls belong to no turn any more."""

    async def watch(_said: str, _at: float, _of: float) -> None:
        return None

    async with engine_at(user_repo.path) as engine:
        run = (await _changed(engine, user_repo)).id
        due = await engine.authoring.due(AGENT, run, Source.HOST_SAMPLED, watch)
        assert due is not None
        nonce = await _asked(engine, run, due[0])
        await engine.escalate(AGENT, run, "it thinks for too long")
        with pytest.raises(RunStateRefused, match="escalated"):
            await engine.authoring.take(AGENT, run, _says(nonce, "done"))
        nonce = await _asked(engine, run, due[0])
        await decide(engine, run, {"decision": "retry", "comment": "", "findings": ""})
        with pytest.raises(RunStateRefused, match=r"turn in run .* is over"):
            await engine.authoring.take(AGENT, run, _says(nonce, "done"))
        state = await engine.core.state(run)
    assert state.status is Status.EXECUTING
    assert state.work.turn is None
    assert state.work.spent.calls == 2
