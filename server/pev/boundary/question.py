"""What a person is asked at a boundary: the very text, the fields of the form, the verdicts.

Pure: from the state of a run to a question, and from a raw answer to a checked reply.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from pev.errors import DecisionInvalid, InvalidInput
from pev.findings import Finding, GateReport, Outcome
from pev.models import Boundary, Digest, Model, RunId, Verdict, digest_of, hash_json
from pev.plan import Plan, to_markdown
from pev.run import RunState, Status

MAX_TEXT: Final = 6_000
MAX_SHOWN_FINDINGS: Final = 12
_PLAN_VERDICTS: Final = (Verdict.APPROVE, Verdict.CHANGE, Verdict.REJECT)
_ESCALATION_VERDICTS: Final = (
    Verdict.RETRY,
    Verdict.ALLOW,
    Verdict.CHANGE,
    Verdict.TAKE_OVER,
    Verdict.REJECT,
)


class FormField(Model):
    """One field of a form: free text, or one of `choices`."""

    name: str
    title: str
    description: str = ""
    choices: tuple[str, ...] = ()
    required: bool = True


class Question(Model):
    """A question as a person sees it. `verdicts` is empty when it only asks for answers."""

    run_id: RunId
    boundary: Boundary
    subject: Digest
    binding: Digest
    text: str
    fields: tuple[FormField, ...]
    verdicts: tuple[Verdict, ...]
    nonce: str = ""

    @property
    def shown(self) -> Digest:
        """The hash of the very text that the person sees."""
        return digest_of(self.text.encode())


class Reply(Model):
    """A checked answer to a question."""

    verdict: Verdict | None = None
    comment: str = Field(default="", max_length=10_000)
    answers: dict[str, str] = Field(default_factory=dict)
    findings: tuple[str, ...] = ()


def _binding(state: RunState, boundary: Boundary, subject: Digest) -> Digest:
    return hash_json(
        {
            "run": state.id,
            "boundary": boundary.value,
            "subject": subject,
            "base": state.base_commit,
            "trusted": state.trusted_commit,
            "policy": state.policy_hash,
        }
    )


def _header(state: RunState) -> str:
    base = f"{state.base_ref} at {state.base_commit[:12]}"
    lines = [f"Run {state.id} in {state.repo_name}, from {base}", f"Task: {state.task}"]
    if state.base_commit != state.trusted_commit:
        policy = f"{state.trusted_ref} at {state.trusted_commit[:12]}"
        lines.append(f"The base is not the trusted ref; the policy stays that of {policy}.")
    return "\n".join(lines)


def _fit(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "\n[… cut: see pev show]"


def _changed_since(state: RunState, plan: Plan) -> str:
    """Name the fields in which a revision differs from the one before it."""
    if len(state.revisions) < 2:
        return ""
    before = state.revisions[-2].plan
    names = [name for name in Plan.model_fields if getattr(before, name) != getattr(plan, name)]
    return f"Changed since revision {state.revisions[-2].revision}: {', '.join(names) or 'nothing'}"


def _ask_answers(state: RunState, plan: Plan, subject: Digest) -> Question:
    lines = [f"- {one.question}" for one in plan.open_questions]
    text = "\n".join([_header(state), "", "Before there is a plan, please answer:", *lines])
    fields = tuple(
        FormField(name=f"q_{one.id}", title=one.question[:200], choices=one.choices)
        for one in plan.open_questions
    )
    return Question(
        run_id=state.id,
        boundary=Boundary.PLAN,
        subject=subject,
        binding=_binding(state, Boundary.PLAN, subject),
        text=_fit(text),
        fields=fields,
        verdicts=(),
    )


def _decision_fields(verdicts: tuple[Verdict, ...], comment: str) -> tuple[FormField, ...]:
    return (
        FormField(name="decision", title="Decision", choices=tuple(one.value for one in verdicts)),
        FormField(name="comment", title="Comment", description=comment, required=False),
    )


def ask_plan(state: RunState) -> Question:
    """Build the question about a run's newest plan: open questions first, else approval."""
    newest = state.revision
    if newest is None:
        raise InvalidInput(f"run {state.id} has no plan", hint="Call submit_plan first.")
    plan = newest.plan
    if plan.open_questions:
        return _ask_answers(state, plan, newest.plan_hash)
    text = [_header(state), _changed_since(state, plan), "", to_markdown(plan, revision=newest.revision)]
    return Question(
        run_id=state.id,
        boundary=Boundary.PLAN,
        subject=newest.plan_hash,
        binding=_binding(state, Boundary.PLAN, newest.plan_hash),
        text=_fit("\n".join(text)),
        fields=_decision_fields(_PLAN_VERDICTS, "what to change, or why not"),
        verdicts=_PLAN_VERDICTS,
    )


def _describe(finding: Finding) -> str:
    place = f"{finding.path}:{finding.line}" if finding.line else finding.path or "-"
    return f"- [{finding.fingerprint[:8]}] {finding.check}/{finding.rule} {place}: {finding.message[:160]}"


def ask_escalation(state: RunState, report: GateReport | None) -> Question:
    """Build the question of an escalated run: what failed, what was tried, what would let it through."""
    lines = [_header(state), "", f"Escalated: {state.reason or 'the attempts are used up'}"]
    tried = [f"{gate.attempt}: {gate.outcome} {gate.reason}".strip() for gate in state.gates if gate.outcome]
    lines += [
        f"Attempts ({state.attempts_used} of {state.max_attempts})",
        *(f"- {one}" for one in tried[-5:]),
    ]
    counting = [one for one in report.findings if one.counts()] if report else []
    if report is not None:
        bad = [one for one in report.checks if one.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]
        lines += ["", "Checks", *(f"- {one.check}: {one.outcome} {one.reason}".rstrip() for one in bad)]
        lines += ["", "Findings", *(_describe(one) for one in counting[:MAX_SHOWN_FINDINGS])]
        if len(counting) > MAX_SHOWN_FINDINGS:
            lines.append(f"- and {len(counting) - MAX_SHOWN_FINDINGS} more: see pev show {state.id}")
    subject = hash_json([state.id, state.attempts_used, report.key if report else "", state.reason])
    allow = FormField(
        name="findings",
        title="Findings to let through",
        description="their ids, separated by commas; only with the decision 'allow'",
        required=False,
    )
    return Question(
        run_id=state.id,
        boundary=Boundary.ESCALATION,
        subject=subject,
        binding=_binding(state, Boundary.ESCALATION, subject),
        text=_fit("\n".join(lines)),
        fields=(*_decision_fields(_ESCALATION_VERDICTS, "guidance for the next attempt, or why"), allow),
        verdicts=_ESCALATION_VERDICTS,
    )


def ask_merge(state: RunState, report: GateReport) -> Question:
    """Build the question whether a pull request may be opened for the snapshot that passed."""
    lines = [_header(state), "", f"The gate passed snapshot {report.snapshot}: {report.reason}"]
    lines += ["Changed files", *(f"- {path}" for path in report.changed_files[:MAX_SHOWN_FINDINGS])]
    if len(report.changed_files) > MAX_SHOWN_FINDINGS:
        lines.append(f"- and {len(report.changed_files) - MAX_SHOWN_FINDINGS} more")
    return Question(
        run_id=state.id,
        boundary=Boundary.MERGE,
        subject=report.key,
        binding=_binding(state, Boundary.MERGE, report.key),
        text=_fit("\n".join([*lines, "", "May a pull request be opened for it?"])),
        fields=_decision_fields(_PLAN_VERDICTS, "what to change, or why not"),
        verdicts=_PLAN_VERDICTS,
    )


def build_question(state: RunState, report: GateReport | None) -> Question | None:
    """Give the question that a run's state poses to a person; None where it poses none."""
    if state.status in (Status.AWAITING_ANSWERS, Status.AWAITING_APPROVAL):
        return ask_plan(state)
    if state.awaits_merge_decision and report is not None:
        return ask_merge(state, report)
    return ask_escalation(state, report) if state.status is Status.ESCALATED else None


def _text_of(raw: Mapping[str, Any], field: FormField) -> str:
    value = raw.get(field.name)
    if value is None and not field.required:
        return ""
    if not isinstance(value, str) or (field.required and not value.strip()):
        raise DecisionInvalid(
            f"field {field.name!r} of the answer is {value!r}, not a text",
            hint="Fill in the form again.",
        )
    if field.choices and value not in field.choices:
        raise DecisionInvalid(
            f"field {field.name!r} of the answer is {value!r}",
            hint=f"Choose one of: {', '.join(field.choices)}.",
        )
    return value.strip()


def parse_reply(question: Question, raw: Mapping[str, Any]) -> Reply:
    """Check a raw answer against its question. Hosts do not: every field is looked at here.

    Raises DecisionInvalid that names the faulty field.
    """
    unknown = sorted(set(raw) - {field.name for field in question.fields})
    if unknown:
        raise DecisionInvalid(
            f"the answer has an unknown field {unknown[0]!r}", hint="Use the form's fields."
        )
    given = {field.name: _text_of(raw, field) for field in question.fields}
    if not question.verdicts:
        return Reply(answers={name.removeprefix("q_"): value for name, value in given.items()})
    named = tuple(one.strip() for one in given.get("findings", "").split(",") if one.strip())
    verdict = Verdict(given["decision"])
    if verdict is Verdict.ALLOW and not named:
        raise DecisionInvalid("no finding is named", hint="Name the findings to let through by their ids.")
    if verdict in (Verdict.CHANGE, Verdict.ALLOW) and not given["comment"]:
        raise DecisionInvalid(f"{verdict.value!r} needs a comment", hint="Say what to change, or why.")
    return Reply(verdict=verdict, comment=given["comment"], findings=named)
