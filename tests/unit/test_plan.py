"""Plans: what validates, what is refused and how, what a hash covers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import PlanInvalid
from pev.plan import Plan, changes_to_markdown, check_repo_path, compare_plans, parse_plan, to_markdown
from support.plans import PLAN, plan


def test_a_plan_of_the_seeds_fields_validates() -> None:
    assert parse_plan(json.dumps(PLAN)).steps[0].id == "s1"


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("non_goals", [], "non_goals"),
        ("acceptance_criteria", [], "acceptance_criteria"),
        ("steps", [], "steps"),
        ("goal", "   ", "goal"),
        ("steps", [PLAN["steps"][0], PLAN["steps"][0]], "'s1'"),
        ("acceptance_criteria", [{"id": "c 1", "description": "x"}], "acceptance_criteria.0.id"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_faulty_field_is_named(field: str, value: Any, named: str) -> None:
    with pytest.raises(PlanInvalid, match="plan does not validate") as caught:
        parse_plan({**PLAN, field: value})
    assert named in caught.value.message


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../../x", "a\0b", "a\nb", ".git/config", "sub/.GIT/hooks", "a\\b", ".", ""],
)
def test_a_step_that_names_a_path_outside_the_repository_is_refused(path: str) -> None:
    step = {**PLAN["steps"][0], "files_touched": [path]}
    with pytest.raises(PlanInvalid, match="files_touched"):
        parse_plan({**PLAN, "steps": [step]})


@given(st.text(max_size=40))
def test_an_accepted_path_stays_inside(path: str) -> None:
    """Whatever is accepted has no part that climbs, and does not start at the root."""
    try:
        checked = check_repo_path(path)
    except ValueError:
        return
    assert not checked.startswith("/")
    assert ".." not in checked.split("/")
    assert "\0" not in checked
    assert "\n" not in checked


def test_text_that_is_no_json_is_refused_as_a_plan() -> None:
    with pytest.raises(PlanInvalid):
        parse_plan("{not json")


def test_a_plan_of_a_hundred_thousand_characters_is_refused_with_its_size() -> None:
    with pytest.raises(PlanInvalid, match="200000 characters"):
        parse_plan(" " * 200_000)


def test_the_hash_changes_with_any_field() -> None:
    hashes = {
        plan().content_hash(),
        plan(goal="Another").content_hash(),
        plan(non_goals=["Other"]).content_hash(),
        plan(open_questions=[{"id": "q1", "question": "Which?"}]).content_hash(),
    }
    assert len(hashes) == 4


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    reordered = dict(reversed(list(PLAN.items())))
    assert Plan.model_validate(reordered).content_hash() == plan().content_hash()


def test_an_answer_closes_its_question_and_is_kept() -> None:
    asking = plan(open_questions=[{"id": "q1", "question": "Which?"}, {"id": "q2", "question": "Why?"}])
    after = asking.with_answers({"q1": "this"})
    assert [one.id for one in after.open_questions] == ["q2"]
    assert after.answers[0].answer == "this"


@pytest.mark.parametrize(("key", "value"), [("q9", "x"), ("q1", "  ")])
def test_an_answer_to_no_open_question_or_without_words_is_refused(key: str, value: str) -> None:
    asking = plan(open_questions=[{"id": "q1", "question": "Which?"}])
    with pytest.raises(PlanInvalid):
        asking.with_answers({key: value})


def test_a_folder_with_a_slash_covers_what_is_below_it() -> None:
    assert plan().covers("tests/unit/test_slug.py")
    assert not plan().covers("tests.py")
    assert plan().covers("src/app/slug.py")
    assert not plan().covers("src/app/slug.pyc")


def test_markdown_shows_everything_that_is_approved() -> None:
    asking = plan(open_questions=[{"id": "q1", "question": "Which one?", "choices": ["a", "b"]}])
    text = to_markdown(asking, revision=2)
    for part in (
        "revision 2",
        "Add a slugify",
        "Transliteration",
        "src/app/slug.py",
        "c1",
        "Which one?",
        "a / b",
    ):
        assert part in text


def test_the_difference_of_two_plans_names_each_thing_that_changed() -> None:
    steps = [PLAN["steps"][0] | {"risk": "high"}, {**PLAN["steps"][1], "id": "s3"}]
    changed = compare_plans(plan(), plan(steps=steps, non_goals=["Transliteration", "Speed"]))
    told = {(one.name, one.before is None, one.after is None) for one in changed}
    assert told == {
        ("step s1", False, False),
        ("step s2", False, True),
        ("step s3", True, False),
        ("non-goal", True, False),
    }
    text = changes_to_markdown(changed)
    assert "**step s1** (changed)\n- `s1` (low risk)" in text
    assert "**non-goal** (new)\n+ Speed" in text


def test_another_order_is_a_difference_and_the_same_plan_is_none() -> None:
    assert compare_plans(plan(), plan()) == ()
    (order,) = compare_plans(plan(), plan(steps=PLAN["steps"][::-1]))
    assert (order.name, order.before, order.after) == ("order of steps", "s1, s2", "s2, s1")


@given(st.permutations(["a", "b", "c"]), st.lists(st.sampled_from("abcd"), min_size=1, max_size=4))
def test_plans_that_differ_have_a_difference(one: list[str], other: list[str]) -> None:
    """Whatever the lists hold, no change goes untold."""
    old, new = plan(non_goals=one), plan(non_goals=other)
    assert (compare_plans(old, new) == ()) == (old.content_hash() == new.content_hash())
