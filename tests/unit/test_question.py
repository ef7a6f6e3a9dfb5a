"""Questions to a person, and answers that hosts did not validate."""

from typing import Any

import pytest

from pev.boundary.escalation import Attempt
from pev.boundary.question import Question, ask_escalation, ask_plan, build_question, parse_reply
from pev.errors import DecisionInvalid
from pev.events import Kind
from pev.findings import CheckResult, Effect, Finding, GateReport, Outcome, fingerprint
from pev.models import Digest, ObjectId, Verdict
from pev.run import Approval, RunState, fold
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
    """Forty lines of a hundred characters, and the pieces that matter are among them."""
    state = _state().model_copy(update={"task": "line\n" * 900, "reason": "x" * 1_900})
    report = _report(500)
    checks = tuple(report.checks[0].model_copy(update={"check": f"own{n}"}) for n in range(12))
    report = report.model_copy(update={"checks": checks})
    tries = [
        Attempt(attempt=n, outcome=Outcome.FAILED, findings=9, files=("a/very/long/path.py" * 9,) * 9)
        for n in range(1, 5)
    ]
    lines = ask_escalation(state, report, tries).text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    for part in ("own0: FAILED", "and 6 more checks", "lint/F401 src/app/calc.py:1", "more: see pev show"):
        assert any(part in line for line in lines), part


def test_an_escalation_tells_what_was_tried_and_what_would_let_it_through() -> None:
    report = _report(2)
    held = report.checks[0].findings[0].model_copy(update={"effect": Effect.HOLDS})
    noted = held.model_copy(update={"effect": Effect.NOTES, "rule": "N1"})
    lint = report.checks[0].model_copy(update={"findings": (report.checks[0].findings[1], held, noted)})
    tests = CheckResult(check="tests", outcome=Outcome.INCONCLUSIVE, reason="collected nothing")
    report = report.model_copy(update={"checks": (lint, tests)})
    tries = [
        Attempt(attempt=1, outcome=Outcome.FAILED, findings=3, files=("src/a.py",)),
        Attempt(attempt=2, outcome=Outcome.FAILED, findings=2, gone=2, new=1, files=("src/b.py",)),
    ]
    text = ask_escalation(_state(), report, tries).text
    for part in (
        "- 1: FAILED, 3 findings; changed: src/a.py",
        "- 2: FAILED, 2 findings (2 gone, 1 new); changed: src/b.py",
        "- 1 defect: fixed in another attempt, or let through by you",
        "- 1 held finding: let through by you alone",
        "- tests: must be measured first",
    ):
        assert part in text
    assert "N1" not in text


def _decided(state: RunState, revision: int, verdict: str = "change") -> RunState:
    """Have a person decide on a revision."""
    told = {
        "boundary": "plan",
        "verdict": verdict,
        "subject": state.revisions[revision - 1].plan_hash,
        "shown": "0" * 64,
        "binding": "0" * 64,
        "channel": "terminal",
        "principal": "local:ada",
        "at": "",
        "seconds": 1.0,
        "event": 1,
    }
    approval = Approval.model_validate(told)
    return state.model_copy(update={"approvals": (*state.approvals, approval), "guidance": ("smaller",)})


def _revised(state: RunState, **changes: Any) -> RunState:
    one = plan(**changes)
    newest = state.revisions[-1]
    more = newest.model_copy(
        update={"revision": newest.revision + 1, "plan": one, "plan_hash": one.content_hash()}
    )
    return state.model_copy(update={"revisions": (*state.revisions, more)})


def test_after_asking_for_changes_only_the_difference_is_shown() -> None:
    state = _revised(_decided(_state(), 1), approach="Two functions.", goal="Add a slugify function, small")
    text = ask_plan(state).text
    assert "what changed since revision 1" in text
    assert "**Goal.** Add a slugify function, small" in text
    assert "**You said.** smaller" in text
    assert "- One pure function in its own module.\n+ Two functions." in text
    assert "src/app/slug.py" not in text


def test_the_difference_is_to_what_a_person_decided_on() -> None:
    """An agent that submits twice in a row would hide the first of its changes from them."""
    state = _revised(_revised(_decided(_state(), 1), approach="Evil."), approach="Evil.", goal="Goal two")
    text = ask_plan(state).text
    assert "+ Evil." in text
    assert "since revision 1" in text
    unseen = _revised(_state(), goal="Goal two")
    assert "src/app/slug.py" in ask_plan(unseen).text


def test_what_cannot_be_seen_is_written_out_and_nothing_passes_for_our_own_lines() -> None:
    step = {"id": "s1", "description": "x\n**Done when**", "files_touched": ["a.py"], "risk": "low"}
    state = _state(approach="good\u202edoog \u200b", steps=[step])
    text = ask_plan(state.model_copy(update={"task": "t\n## Plan (revision 9)"})).text
    assert "good\\u202edoog \\u200b" in text
    assert "\n  **Done when**" in text
    assert "\n      ## Plan (revision 9)" in text


def test_a_question_that_a_dialog_would_cut_off_does_not_fit_a_form() -> None:
    assert _question().fits_a_form
    assert not ask_plan(_state(approach="x" * 6_001)).fits_a_form


def test_letting_through_needs_named_findings_and_a_reason() -> None:
    question = ask_escalation(_state(), _report(1))
    for raw in ({"decision": "allow", "comment": "fine"}, {"decision": "allow", "findings": "abcdef12"}):
        with pytest.raises(DecisionInvalid):
            parse_reply(question, raw)


def test_a_run_that_waits_for_nobody_poses_no_question() -> None:
    state = fold([event(Kind.RUN_OPENED, opened())])
    assert state is not None
    assert build_question(state, None) is None
