"""What a person is asked at a boundary: the very text, the fields of the form, the verdicts.

Pure: from the state of a run to a question, and from a raw answer to a checked reply.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import Field

from pev.account import rejections
from pev.boundary.escalation import Attempt, escalation_text
from pev.errors import DecisionInvalid, InvalidInput
from pev.findings import GateReport
from pev.models import Boundary, Digest, Model, RunId, Verdict, digest_of, hash_json
from pev.plan import Plan, changes_to_markdown, compare_plans, to_markdown
from pev.run import PlanRevision, RunState, Status
from pev.text import clip, one_line, reveal

MAX_FORM: Final = 6_000
"""How many characters of a question a host's dialog is trusted to show."""
MAX_SHOWN_FILES: Final = 12
_MAX_TASK: Final = 1_000
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
    def fits_a_form(self) -> bool:
        """Whether a host's dialog shows all of it; what it would cut off must be read elsewhere."""
        return len(self.text) <= MAX_FORM

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
    task = _within(clip(state.task, _MAX_TASK), "      ")
    lines = [f"Run {state.id} in {state.repo_name}, from {base}", f"Task: {task}"]
    if state.base_commit != state.trusted_commit:
        policy = f"{state.trusted_ref} at {state.trusted_commit[:12]}"
        lines.append(f"The base is not the trusted ref; the policy stays that of {policy}.")
    return "\n".join(lines)


def _within(text: str, indent: str) -> str:
    """Indent all lines but the first, so that none passes for a line of ours."""
    return text.replace("\n", f"\n{indent}")


def revision_seen(state: RunState) -> PlanRevision | None:
    """Give the newest revision that a person has decided on: all of it was before their eyes."""
    decided = {one.subject for one in state.approvals if one.boundary is Boundary.PLAN}
    found = [one for one in state.revisions[:-1] if one.plan_hash in decided]
    return found[-1] if found else None


def plan_text(state: RunState, newest: PlanRevision) -> str:
    """Write the plan for a person; if they know an earlier revision, the goal and what changed since.

    What changed is told against the revision that a person has decided on, not the one before: whoever
    submits two in a row hides nothing.
    """
    whole = to_markdown(newest.plan, revision=newest.revision)
    seen = revision_seen(state)
    if seen is None:
        return whole
    changes = compare_plans(seen.plan, newest.plan)
    if not changes:
        return f"Nothing changed since revision {seen.revision}.\n\n{whole}"
    told = changes_to_markdown(changes)
    if len(told) > len(whole):
        return f"Most of it changed since revision {seen.revision}.\n\n{whole}"
    said = state.guidance[-1] if state.guidance else ""
    return "\n".join(
        [
            f"## Plan (revision {newest.revision}): what changed since revision {seen.revision}",
            "",
            f"**Goal.** {one_line(newest.plan.goal, 200)}",
            *([f"**You said.** {one_line(said, 300)}"] if said else []),
            "",
            told,
            f"All else is as it was: pev show {state.id}",
        ]
    )


def _ask_answers(state: RunState, plan: Plan, subject: Digest) -> Question:
    lines = [f"- {_within(one.question, '  ')}" for one in plan.open_questions]
    text = "\n".join([_header(state), "", "Before there is a plan, please answer:", *lines])
    fields = tuple(
        FormField(name=f"q_{one.id}", title=one_line(reveal(one.question), 200), choices=one.choices)
        for one in plan.open_questions
    )
    return Question(
        run_id=state.id,
        boundary=Boundary.PLAN,
        subject=subject,
        binding=_binding(state, Boundary.PLAN, subject),
        text=reveal(text),
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
    text = f"{_header(state)}\n\n{plan_text(state, newest)}"
    return Question(
        run_id=state.id,
        boundary=Boundary.PLAN,
        subject=newest.plan_hash,
        binding=_binding(state, Boundary.PLAN, newest.plan_hash),
        text=reveal(text),
        fields=_decision_fields(_PLAN_VERDICTS, "what to change, or why not"),
        verdicts=_PLAN_VERDICTS,
    )


def ask_escalation(state: RunState, report: GateReport | None, tries: Sequence[Attempt] = ()) -> Question:
    """Build the question of an escalated run: what failed, what was tried, what would let it through."""
    brief = state.model_copy(update={"task": one_line(state.task)})
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
        text=escalation_text(_header(brief), state, report, tries),
        fields=(*_decision_fields(_ESCALATION_VERDICTS, "guidance for the next attempt, or why"), allow),
        verdicts=_ESCALATION_VERDICTS,
    )


def ask_merge(state: RunState, report: GateReport) -> Question:
    """Build the question whether a pull request may be opened for the snapshot that passed."""
    lines = [_header(state), "", f"The gate passed snapshot {report.snapshot}: {one_line(report.reason)}"]
    lines += ["Changed files", *(f"- {path}" for path in report.changed_files[:MAX_SHOWN_FILES])]
    if len(report.changed_files) > MAX_SHOWN_FILES:
        lines.append(f"- and {len(report.changed_files) - MAX_SHOWN_FILES} more")
    lines += rejections(state, report.snapshot)
    return Question(
        run_id=state.id,
        boundary=Boundary.MERGE,
        subject=report.key,
        binding=_binding(state, Boundary.MERGE, report.key),
        text=reveal("\n".join([*lines, "", "May a pull request be opened for it?"])),
        fields=_decision_fields(_PLAN_VERDICTS, "what to change, or why not"),
        verdicts=_PLAN_VERDICTS,
    )


def poses_question(state: RunState) -> bool:
    """Say whether a run waits for a person."""
    waits = (Status.AWAITING_ANSWERS, Status.AWAITING_APPROVAL, Status.ESCALATED)
    return state.status in waits or state.awaits_merge_decision


def build_question(
    state: RunState, report: GateReport | None, tries: Sequence[Attempt] = ()
) -> Question | None:
    """Give the question that a run's state poses to a person; None where it poses none."""
    if state.status in (Status.AWAITING_ANSWERS, Status.AWAITING_APPROVAL):
        return ask_plan(state)
    if state.awaits_merge_decision and report is not None:
        return ask_merge(state, report)
    return ask_escalation(state, report, tries) if state.status is Status.ESCALATED else None


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
