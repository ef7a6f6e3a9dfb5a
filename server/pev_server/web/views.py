"""What the page shows of runs: the list of those that wait, and everything about one."""

from typing import Final

from pev.boundary.dossier import Dossier
from pev.boundary.escalation import weighing
from pev.boundary.question import FormField, Question
from pev.findings import GateReport
from pev.models import Boundary, Verdict
from pev.text import one_line
from pev.trail.query import RunPage
from pev_server.web.layout import document
from pev_server.web.markup import Markup, join, tag
from pev_server.web.parts import (
    NOTHING,
    badge,
    change,
    diff,
    finding,
    headed,
    moment,
    place_of,
    unreadable,
    whole_plan,
)

_LABELS: Final[dict[Boundary, dict[Verdict, str]]] = {
    Boundary.PLAN: {
        Verdict.APPROVE: "Approve this plan",
        Verdict.CHANGE: "Ask for changes",
        Verdict.REJECT: "Reject and end the run",
    },
    Boundary.ESCALATION: {
        Verdict.RETRY: "Try again with this guidance",
        Verdict.ALLOW: "Let the ticked findings through",
        Verdict.CHANGE: "Back to the plan",
        Verdict.TAKE_OVER: "Take over (the worktree stays)",
        Verdict.REJECT: "Abandon the run",
    },
    Boundary.MERGE: {
        Verdict.APPROVE: "Open the pull request",
        Verdict.CHANGE: "Ask for changes",
        Verdict.REJECT: "Reject and end the run",
    },
}
_CLASSES: Final = {Verdict.APPROVE: "yes", Verdict.REJECT: "no"}
_ASKS: Final = {
    Boundary.PLAN: "A decision on the plan",
    Boundary.ESCALATION: "A decision on what the gate found",
    Boundary.MERGE: "A decision before the pull request",
}


def list_page(page: RunPage, *, base: str, who: str) -> str:
    """Build the list of the runs that wait for a person."""
    rows = [
        tag(
            "tr",
            tag("td", tag("a", one_line(state.task, 160), href=f"{base}runs/{state.id}")),
            tag("td", state.repo_name),
            tag("td", state.status.value.replace("_", " ")),
            tag("td", moment(state.updated_at)),
        )
        for state in page
    ]
    table = headed(("task", "repository", "stands at", "since (UTC)"), rows)
    table = table if rows else tag("p", "No run waits for a person.")
    return document(
        "Runs that wait",
        tag("h1", "Runs that wait for you"),
        unreadable(page.unreadable, base),
        tag("section", table),
        base=base,
        who=who,
    )


def run_page(found: Dossier, *, base: str, who: str, csrf: str, unsigned: str = "") -> str:
    """Build the page of a run; `unsigned` says why it offers no decision, if it does not."""
    state = found.state
    facts = f"run {state.id} in {state.repo_name}, from {state.base_ref} at {state.base_commit[:12]}"
    record = tag("a", "its whole record", href=f"{base}trail/runs/{state.id}")
    parts = [tag("h1", one_line(state.task, 300)), tag("p", facts, "; ", record, class_="facts")]
    if state.base_commit != state.trusted_commit:
        parts.append(tag("p", f"The base is not the trusted ref {state.trusted_ref}.", class_="high"))
    question = found.question
    if question is None:
        status = state.status.value.replace("_", " ")
        parts.append(tag("section", tag("p", f"Nothing is to be decided: the run is {status}.")))
    parts += _plan(found)
    if found.report is not None:
        parts.append(_gate(found.report))
    if question is not None:
        parts.append(_ask(question, found, f"{base}runs/{state.id}", csrf, unsigned))
    parts += [_diff(found.diff), _history(found)]
    return document(f"Run {state.id}", *parts, base=base, who=who)


def _plan(found: Dossier) -> list[Markup]:
    newest = found.state.revision
    if newest is None:
        return []
    title = f"Plan, revision {newest.revision}"
    whole = whole_plan(newest.plan)
    if found.since is None or not found.changes:
        return [tag("section", tag("h2", title), whole)]
    changed = tag(
        "section",
        tag("h2", f"{title}: what changed since revision {found.since}"),
        tag("p", tag("strong", "Goal. "), newest.plan.goal),
        [change(one) for one in found.changes],
        tag("details", tag("summary", "The whole plan"), whole),
    )
    return [changed]


def _gate(report: GateReport) -> Markup:
    checks = [
        tag(
            "tr",
            tag("td", check.check),
            tag("td", badge(check.outcome.value)),
            tag("td", check.reason),
        )
        for check in report.checks
    ]
    told = [finding(one) for one in weighing(report)]
    findings = join(tag("p", tag("strong", "Findings")), tag("ul", told)) if told else NOTHING
    return tag("section", tag("h2", "Gate ", badge(report.outcome.value)), tag("table", checks), findings)


def _ask(question: Question, found: Dossier, action: str, csrf: str, unsigned: str) -> Markup:
    exact = tag(
        "details",
        tag("summary", "The text that the decision is bound to"),
        tag("pre", question.text),
        open=question.boundary is Boundary.ESCALATION,
    )
    title = tag("h2", _ASKS[question.boundary] if question.verdicts else "Questions before there is a plan")
    if unsigned:
        return tag("section", title, tag("p", unsigned), exact, class_="ask")
    hidden = [
        tag("input", type="hidden", name="csrf", value=csrf),
        tag("input", type="hidden", name="nonce", value=question.nonce),
    ]
    body = _decision(question, found) if question.verdicts else _answers(question)
    form = tag("form", hidden, body, method="post", action=action, autocomplete="off")
    return tag("section", title, form, exact, class_="ask")


def _answers(question: Question) -> Markup:
    fields = [join(tag("label", field.title, for_=field.name), _field(field)) for field in question.fields]
    return join(*fields, tag("div", tag("button", "Answer", class_="yes"), class_="row"))


def _field(field: FormField) -> Markup:
    if not field.choices:
        return tag("input", type="text", id=field.name, name=field.name, required=True)
    options = [tag("option", "choose", value="")]
    options += [tag("option", choice, value=choice) for choice in field.choices]
    return tag("select", options, id=field.name, name=field.name, required=True)


def _decision(question: Question, found: Dossier) -> Markup:
    labels = _LABELS[question.boundary]
    buttons = [
        tag("button", labels[one], name="decision", value=one.value, class_=_CLASSES.get(one))
        for one in question.verdicts
    ]
    comment = next(field for field in question.fields if field.name == "comment")
    return join(
        _ticks(found.report) if Verdict.ALLOW in question.verdicts and found.report else NOTHING,
        tag("label", f"Comment: {comment.description}", for_="comment"),
        tag("textarea", id="comment", name="comment", rows="3", maxlength="10000"),
        tag("div", buttons, class_="row"),
    )


def _ticks(report: GateReport) -> Markup:
    ticks = [
        tag(
            "label",
            tag("input", type="checkbox", name="findings", value=one.fingerprint),
            tag("span", tag("code", f"{one.check}/{one.rule} {place_of(one)}"), " ", one.message),
            class_="tick",
        )
        for one in weighing(report)
    ]
    return join(tag("p", tag("strong", "Let through on this snapshot")), *ticks) if ticks else NOTHING


def _diff(text: str) -> Markup:
    return tag("section", tag("h2", "The change that was judged"), diff(text)) if text else NOTHING


def _history(found: Dossier) -> Markup:
    rows = [
        tag(
            "tr",
            [tag("td", cell, class_="fit") for cell in (str(one.event), one.at, one.kind)],
            tag("td", one.who, class_="words"),
            tag("td", one.what),
        )
        for one in found.history
    ]
    table = headed(("event", "time (UTC)", "kind", "who", "what"), rows)
    return tag("section", tag("h2", "What happened, the newest first"), table)
