"""Questions to a person, and answers that hosts did not validate."""

from typing import Any

import pytest

from pev.boundary.question import Question, ask_escalation, ask_plan, build_question, parse_reply
from pev.errors import DecisionInvalid
from pev.events import Kind
from pev.findings import CheckResult, Finding, GateReport, Outcome, fingerprint
from pev.models import Digest, ObjectId, Verdict
from pev.run import RunState, fold
from support.plans import event, opened, plan


def _state(**changes: Any) -> RunState:
    one = plan(**changes)
    body = {
        "revision": 1,
        "plan": one.model_dump(mode="json"),
        "plan_hash": one.content_hash(),
        "source": "host-submitted",
        "model": "",
    }
    state = fold([event(Kind.RUN_OPENED, opened()), event(Kind.PLAN_SUBMITTED, body, 2)])
    assert state is not None
    return state


def _question() -> Question:
    return ask_plan(_state())


def test_the_person_sees_everything_that_is_approved() -> None:
    text = _question().text
    for part in (
        "Add slugify",
        "main at aaaaaaaaaaaa",
        "Transliteration",
        "src/app/slug.py",
        "low risk",
        "c1",
    ):
        assert part in text


def test_another_base_than_the_trusted_ref_is_shown() -> None:
    state = _state().model_copy(update={"base_commit": ObjectId("9" * 40), "base_ref": "feature"})
    assert "The base is not the trusted ref" in ask_plan(state).text


def test_open_questions_come_first_one_field_each_with_choices() -> None:
    asking = [{"id": "q1", "question": "Which?", "choices": ["a", "b"]}, {"id": "q2", "question": "Why?"}]
    question = ask_plan(_state(open_questions=asking))
    assert [field.name for field in question.fields] == ["q_q1", "q_q2"]
    assert question.fields[0].choices == ("a", "b")
    assert question.verdicts == ()


def test_the_binding_changes_with_base_policy_and_subject() -> None:
    state = _state()
    bindings = {
        ask_plan(state).binding,
        ask_plan(state.model_copy(update={"base_commit": ObjectId("9" * 40)})).binding,
        ask_plan(state.model_copy(update={"policy_hash": Digest("8" * 64)})).binding,
        ask_plan(_state(goal="Another")).binding,
    }
    assert len(bindings) == 4


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"decision": True},
        {"decision": 1, "comment": ""},
        {"decision": "yes"},
        {"decision": "approve", "comment": 3},
        {"decision": "approve", "extra": "x"},
        {"decision": ["approve"]},
        {"decision": "change"},
    ],
)
def test_an_answer_that_does_not_fit_the_form_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(DecisionInvalid):
        parse_reply(_question(), raw)


def test_an_answer_that_fits_is_taken() -> None:
    reply = parse_reply(_question(), {"decision": "change", "comment": " smaller "})
    assert reply.verdict is Verdict.CHANGE
    assert reply.comment == "smaller"


def _report(count: int) -> GateReport:
    findings = tuple(
        Finding(
            check="lint",
            rule="F401",
            path="src/app/calc.py",
            line=n + 1,
            message=f"unused import {n}",
            fingerprint=fingerprint("lint", "F401", "src/app/calc.py", str(n)),
        )
        for n in range(count)
    )
    check = CheckResult(
        check="lint", outcome=Outcome.FAILED, reason=f"{count} new findings", findings=findings
    )
    return GateReport(
        outcome=Outcome.FAILED,
        key=Digest("1" * 64),
        snapshot=ObjectId("2" * 40),
        base_commit=ObjectId("a" * 40),
        trusted_commit=ObjectId("a" * 40),
        policy_hash=Digest("b" * 64),
        policy_source="detected",
        checks=(check,),
    )


def test_an_escalation_fits_on_a_screen_whatever_failed() -> None:
    question = ask_escalation(_state(), _report(500))
    assert len(question.text.splitlines()) < 40
    assert "and 488 more" in question.text
    assert "lint/F401 src/app/calc.py:1" in question.text


def test_letting_through_needs_named_findings_and_a_reason() -> None:
    question = ask_escalation(_state(), _report(1))
    for raw in ({"decision": "allow", "comment": "fine"}, {"decision": "allow", "findings": "abcdef12"}):
        with pytest.raises(DecisionInvalid):
            parse_reply(question, raw)


def test_a_run_that_waits_for_nobody_poses_no_question() -> None:
    state = fold([event(Kind.RUN_OPENED, opened())])
    assert state is not None
    assert build_question(state, None) is None
