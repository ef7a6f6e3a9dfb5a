"""run_loop over MCP: both eras, with a provider, a host's model, and a host that does all itself."""

from typing import Any

import pytest
from fastmcp import Client
from mcp_types import SamplingCapability, SamplingToolsCapability

from support.clients import APPROVE, ERAS, MOSTLY_MODERN, Era, Person, call, refusal
from support.loops import ACCEPT, FIXES, POLICY, RIGHT, TESTS, WRONG, script, writes
from support.plans import PLAN
from support.repos import UserRepoFixture
from support.roles import Model, Script, ToolModel, session

pytestmark = pytest.mark.needs_host


async def _looped(client: Client[Any], **first: Any) -> dict[str, Any]:
    """Call the loop until it says something else than that it is to be called again."""
    answer = await call(client, "run_loop", **first)
    while answer["state"] == "continue":
        answer = await call(client, "run_loop", run_id=answer["run"]["run_id"])
    return answer


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_with_a_provider_and_a_person_one_call_makes_a_pull_request(
    era: Era, user_repo: UserRepoFixture
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    model, person, seen = Script(**script()), Person(APPROVE), []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        assert progress <= (total or progress)
        seen.append(message or "")

    async with session(user_repo.path, era=era, asker=model, elicitation_handler=person) as client:
        done = await client.call_tool("run_loop", {"task": "Add slugify"}, progress_handler=watch)
        answer = done.structured_content or {}
        while answer["state"] == "continue":
            answer = await call(client, "run_loop", run_id=answer["run"]["run_id"])
        again = await call(client, "run_loop", run_id=answer["run"]["run_id"])
    assert answer["state"] == again["state"] == "done", answer
    assert answer["run"]["status"] == "pr_open"
    assert answer["spent"]["calls"] == len(model.asked) == 9
    assert len(person.shown) == 1
    assert user_repo.git("show", f"{answer['run']['pr']['commit']}:src/app/slug.py") == RIGHT.strip()
    assert any("author" in one for one in seen)
    assert any("gate" in one for one in seen)


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_a_host_that_lends_its_model_plans_tests_and_reviews_and_makes_the_change_itself(
    era: Era, user_repo: UserRepoFixture
) -> None:
    """Its model judges in conversations of its own; the author's part is the host's, brief by brief."""
    user_repo.commit("policy", {"pev.toml": POLICY})
    said = script()
    model = Model(planner=said["planner"], tester=TESTS, reviewer=ACCEPT, **{"security reviewer": ACCEPT})
    async with session(
        user_repo.path, era=era, elicitation_handler=Person(APPROVE), sampling_handler=model
    ) as client:
        first = await _looped(client, task="Add slugify")
        run_id = first["run"]["run_id"]
        assert first["state"] == "host", first
        assert "You are the author" in first["brief"]
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=WRONG)
        second = await _looped(client, run_id=run_id)
        assert second["state"] == "host"
        assert "criterion c1 is not met" in second["brief"]
        assert "foo-bar" not in str(second)
        await call(client, "write_file", run_id=run_id, path="src/app/slug.py", content=RIGHT)
        done = await _looped(client, run_id=run_id)
    assert done["state"] == "done", done
    assert done["run"]["status"] == "pr_open"
    assert [role for role, _ in model.asked] == ["planner", "tester", "reviewer", "security reviewer"]
    assert all("text.split()" not in text for role, text in model.asked if role == "tester")


@pytest.mark.parametrize("era", ERAS)
async def test_a_host_without_anything_gets_briefs_and_is_told_what_a_person_does(
    era: Era, user_repo: UserRepoFixture
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    async with session(user_repo.path, era=era) as client:
        first = await _looped(client, task="Add slugify")
        run_id = first["run"]["run_id"]
        assert first["state"] == "host"
        assert "You are the planner" in first["brief"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        waits = await _looped(client, run_id=run_id)
        nothing = await refusal(client, "run_loop")
    assert waits["state"] == "person"
    assert f"pev approve {run_id}" in " ".join(waits["notes"])
    assert nothing.startswith("[input.invalid]")


async def test_a_required_role_that_nobody_can_hold_is_asked_for_by_name(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": f'{POLICY}[roles]\nrequire = ["tester"]\n'})
    async with session(user_repo.path, elicitation_handler=Person(APPROVE)) as client:
        first = await _looped(client, task="Add slugify")
        run_id = first["run"]["run_id"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        told = await _looped(client, run_id=run_id)
    assert told["state"] == "host"
    assert told["phase"] == "tests"
    assert "pev serve --role tester" in told["notes"][0]


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_used_up_attempts_put_the_failure_before_the_person(
    era: Era, user_repo: UserRepoFixture
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Script(**script(author=[writes(WRONG), "one"]))
    person = Person(APPROVE, {"decision": "reject", "comment": "not worth it", "findings": ""})
    async with session(user_repo.path, era=era, asker=model, elicitation_handler=person) as client:
        answer = await _looped(client, task="Add slugify", attempts=1)
    assert answer["state"] == "done", answer
    assert answer["run"]["status"] == "abandoned"
    assert "criterion c1 is not met" in person.shown[1]
    assert "attempts are used up" in person.shown[1]


async def test_a_stopped_loop_goes_on_where_it_stood(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Script(**script(author=[*FIXES[2:3], *FIXES[3:]]))
    async with session(user_repo.path, asker=model) as client:
        first = await _looped(client, task="Add slugify")
        run_id = first["run"]["run_id"]
        stopped = await call(client, "run_loop", run_id=run_id, stop=True)
    async with session(user_repo.path, asker=model, elicitation_handler=Person(APPROVE)) as client:
        done = await _looped(client, run_id=run_id)
    assert first["state"] == "person"
    assert stopped["state"] == "stopped"
    assert done["run"]["status"] == "pr_open"
    assert len(model.prompts("planner")) == 1


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_it_hands_back_before_a_client_gives_up_on_the_rounds(
    era: Era, user_repo: UserRepoFixture
) -> None:
    """A person who asks for changes again and again uses up the rounds of one call."""
    user_repo.commit("policy", {"pev.toml": POLICY})
    plans = [
        script(planner=script()["planner"].replace("One pure", f"{n} pure"))["planner"] for n in range(8)
    ]
    person = Person(*[{"decision": "change", "comment": f"no {n}"} for n in range(6)], APPROVE)
    model = Model(planner=plans, tester=TESTS, reviewer=ACCEPT, **{"security reviewer": ACCEPT})
    async with session(user_repo.path, era=era, elicitation_handler=person, sampling_handler=model) as client:
        answer = await call(client, "run_loop", task="Add slugify", judges=[])
        calls = 1
        while answer["state"] == "continue":
            answer = await call(client, "run_loop", run_id=answer["run"]["run_id"])
            calls += 1
    assert answer["state"] == "host"
    assert answer["phase"] == "author"
    assert calls >= (2 if era == "auto" else 1)


async def test_a_call_answers_in_time_and_the_work_goes_on(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEV_GATE_WAIT_S", "0.2")
    user_repo.commit("policy", {"pev.toml": POLICY})
    model = Script(**script(author=[*FIXES[2:3], *FIXES[3:]]))
    async with connected_with(user_repo, model) as client:
        first = await call(client, "run_loop", task="Add slugify", judges=[])
        states = [first["state"]]
        while states[-1] == "continue":
            states.append((await call(client, "run_loop", run_id=first["run"]["run_id"]))["state"])
    assert "continue" in states
    assert states[-1] == "done"
    assert len(model.prompts("author")) == 3


def connected_with(repo: UserRepoFixture, model: Script) -> Any:
    """Connect a client whose person approves to a server with a scripted provider."""
    return session(repo.path, asker=model, elicitation_handler=Person(APPROVE))


@pytest.mark.parametrize("era", MOSTLY_MODERN)
async def test_a_host_whose_model_takes_tools_is_the_author_too(era: Era, user_repo: UserRepoFixture) -> None:
    """Wrong first, told what the gate found, and right; in a conversation of its own in each attempt."""
    user_repo.commit("policy", {"pev.toml": POLICY})
    said = script()
    model = ToolModel(
        FIXES,
        planner=said["planner"],
        tester=TESTS,
        reviewer=ACCEPT,
        **{"security reviewer": ACCEPT},
    )
    async with session(
        user_repo.path,
        era=era,
        elicitation_handler=Person(APPROVE),
        sampling_handler=model,
        sampling_capabilities=SamplingCapability(tools=SamplingToolsCapability()),
    ) as client:
        answer = await call(client, "run_loop", task="Add slugify")
        calls = 1
        while answer["state"] == "continue":
            answer = await call(client, "run_loop", run_id=answer["run"]["run_id"])
            calls += 1
    assert answer["state"] == "done", answer
    assert answer["run"]["status"] == "pr_open"
    assert calls >= (2 if era == "auto" else 1)
    told = [text for role, text in model.asked if role == "author"]
    assert len(told) == len(FIXES)
    assert "criterion c1 is not met" in told[2]
    assert "text.split()" in told[3]
    assert any("author: claude-host" in one for one in answer["run"]["roles"])
    assert user_repo.git("show", f"{answer['run']['pr']['commit']}:src/app/slug.py") == RIGHT.strip()
