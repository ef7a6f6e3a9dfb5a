"""Planning with a person who wants changes, in both eras: their words go back, only the difference comes."""

import json
from typing import Any

import pytest

from support.clients import APPROVE, ERAS, Era, Person, call, connected
from support.plans import PLAN
from support.repos import UserRepoFixture

TASK = "Add slugify"
_CHANGE = {"decision": "change", "comment": "in two functions, please"}


class Planner:
    """A host's model that gives one plan after the other, and remembers what it was told."""

    def __init__(self, *plans: dict[str, Any]) -> None:
        self.plans = list(plans)
        self.told: list[str] = []

    async def __call__(self, messages: list[Any], _params: object, _context: object) -> str:
        """Answer with the next plan."""
        self.told.append(str(messages[0].content.text))
        return json.dumps(self.plans.pop(0) if len(self.plans) > 1 else self.plans[0])


@pytest.mark.parametrize("era", ERAS)
async def test_the_planner_is_asked_again_with_the_persons_words(
    era: Era, user_repo: UserRepoFixture
) -> None:
    planner = Planner(PLAN, {**PLAN, "approach": "Two functions."})
    person = Person(_CHANGE, APPROVE)
    async with connected(
        "memory", user_repo.path, era=era, elicitation_handler=person, sampling_handler=planner
    ) as client:
        draft = await call(client, "draft_plan", task=TASK)
    assert draft["run"]["status"] == "approved"
    assert draft["run"]["plan"]["revision"] == 2
    assert "in two functions, please" in planner.told[1]
    assert "src/app/slug.py" in person.shown[0]
    assert "+ Two functions." in person.shown[1]
    assert "src/app/slug.py" not in person.shown[1]


@pytest.mark.parametrize("era", ERAS)
async def test_a_person_who_is_never_content_gets_the_run_back_to_hand(
    era: Era, user_repo: UserRepoFixture
) -> None:
    """A client gives up after ten rounds: before that the call ends in order."""
    person = Person(_CHANGE)
    async with connected(
        "memory", user_repo.path, era=era, elicitation_handler=person, sampling_handler=Planner(PLAN)
    ) as client:
        draft = await call(client, "draft_plan", task=TASK)
    assert draft["run"]["status"] in ("drafted", "awaiting_approval")
    assert 3 <= len(person.shown) <= 9


@pytest.mark.parametrize("era", ERAS)
async def test_a_hosts_own_model_revises_and_the_person_sees_the_difference(
    era: Era, user_repo: UserRepoFixture
) -> None:
    person = Person(_CHANGE, APPROVE)
    async with connected("memory", user_repo.path, era=era, elicitation_handler=person) as client:
        run_id = (await call(client, "draft_plan", task=TASK))["run"]["run_id"]
        first = await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        assert first["guidance"] == ["in two functions, please"]
        second = await call(client, "submit_plan", run_id=run_id, plan={**PLAN, "goal": "Two functions"})
    assert second["status"] == "approved"
    assert "what changed since revision 1" in person.shown[1]


@pytest.mark.parametrize("era", ERAS)
async def test_a_question_whose_person_was_lost_is_the_same_after_a_restart(
    era: Era, user_repo: UserRepoFixture
) -> None:
    """Whatever became of host and server: one question in the trail, and an answer to it counts."""
    async with connected("memory", user_repo.path, era=era, elicitation_handler=Person("cancel")) as client:
        run_id = (await call(client, "draft_plan", task=TASK))["run"]["run_id"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    async with connected("memory", user_repo.path, era=era, elicitation_handler=Person(APPROVE)) as client:
        run = await call(client, "request_decision", run_id=run_id)
        asked = await call(client, "query_trail", query={"run": run_id, "kinds": ["decision.asked"]})
    assert run["status"] == "approved"
    assert len(asked["events"]) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_dialog_would_cut_off_is_not_asked_there(era: Era, user_repo: UserRepoFixture) -> None:
    person = Person(APPROVE)
    async with connected("memory", user_repo.path, era=era, elicitation_handler=person) as client:
        run_id = (await call(client, "draft_plan", task=TASK))["run"]["run_id"]
        long = {**PLAN, "approach": "word " * 1_500}
        run = await call(client, "submit_plan", run_id=run_id, plan=long)
    assert person.shown == []
    assert run["status"] == "awaiting_approval"
    assert any("longer than a dialog shows" in note for note in run["notes"])
