"""One run as an auditor reads it: plan, decisions, gates, roles, pull request, change, timeline."""

from itertools import pairwise
from typing import Final
from urllib.parse import urlencode

from pev.account import account, describe
from pev.boundary.question import poses_question
from pev.facts import Approval, PlanRevision, PrState
from pev.findings import CheckResult, GateReport
from pev.models import ASSURANCE_OF, RunId
from pev.plan import compare_plans
from pev.run import RunState, Status
from pev.stages.recounting import GateRun, Record
from pev.text import one_line
from pev.trail.query import TrailPage
from pev.trail.telling import name_actor, tell
from pev.work import Review
from pev_server.web.layout import document
from pev_server.web.markup import Child, Markup, join, tag
from pev_server.web.parts import (
    NOTHING,
    badge,
    change,
    diff,
    finding,
    headed,
    moment,
    whole_plan,
)
from pev_server.web.trail import gate_outcome, pull_request

MAX_LINES: Final = 300
"""How many lines of one file's change are shown."""
MAX_FINDINGS: Final = 50
MAX_REVISIONS: Final = 10
MAX_REVIEWS: Final = 20
_PARTS: Final = (
    ("plan", "Plan"),
    ("decisions", "Decisions"),
    ("gate", "Gate"),
    ("roles", "Roles"),
    ("pr", "Pull request"),
    ("timeline", "Timeline"),
    ("change", "Change"),
)


def record_page(found: Record, standing: Markup, *, base: str, who: str, newest_first: bool) -> str:
    """Build the page of a run."""
    state = found.state
    proofs = f"{base}trail/events/" if found.timeline is not None else ""
    return document(
        f"Run {state.id}",
        *_head(found, base),
        standing,
        tag("nav", [join(tag("a", name, href=f"#{part}"), " ") for part, name in _PARTS], class_="parts"),
        _plan(state),
        _decisions(state, proofs),
        _gates(found),
        _roles(state),
        _pr(state, f"{base}trail/runs/{state.id}/evidence"),
        _timeline(found.timeline, state.id, base, newest_first=newest_first),
        _change(found),
        base=base,
        who=who,
    )


def _section(part: str, *children: Child) -> Markup:
    return tag("section", tag("h2", dict(_PARTS)[part]), *children, id=part)


def _head(found: Record, base: str) -> list[Markup]:
    state = found.state
    status = state.status.value.replace("_", " ")
    tells = state.reason and state.status in (Status.ESCALATED, Status.ABANDONED)
    reason = f": {one_line(state.reason)}" if tells else ""
    facts = [
        f"run {state.id} in {state.repo_name}, from {state.base_ref} at {state.base_commit[:12]}",
        f"begun by {one_line(state.opened_by, 80)} at {moment(state.opened_at)} UTC; it is {status}{reason}",
    ]
    loud = [f"Not everything can be read: {one}." for one in found.unreadable]
    loud += [state.pr.warning] if state.pr is not None and state.pr.warning else []
    if state.base_commit != state.trusted_commit:
        loud.append(f"The base is not the trusted ref {state.trusted_ref}.")
    return [
        tag("h1", one_line(state.task, 300)),
        *(tag("p", line, class_="facts") for line in facts),
        *(tag("p", line, class_="high") for line in loud),
        tag("p", tag("a", "It waits for a person", href=f"{base}runs/{state.id}"))
        if poses_question(state)
        else NOTHING,
    ]


def _plan(state: RunState) -> Markup:
    newest = state.revision
    if newest is None:
        return _section("plan", tag("p", "There is no plan yet."))
    approved = state.approved_revision
    said = "approved" if approved is not None else "not approved"
    whole = tag("p", f"Revision {newest.revision}, {said}. Its hash is ", tag("code", newest.plan_hash))
    shown = state.revisions[-MAX_REVISIONS:]
    older = [_revision(before, after) for before, after in pairwise(shown)][::-1]
    left = len(state.revisions) - len(shown)
    first = f"{_source(shown[0])}. {f'{left} older ones are in the timeline.' if left else ''}"
    return _section("plan", whole, whole_plan(newest.plan), *older, tag("p", first, class_="facts"))


def _source(one: PlanRevision) -> str:
    model = f", model {one_line(one.model, 80)}" if one.model else ""
    return f"Revision {one.revision}: {one.source}{model}, hash {one.plan_hash[:12]}"


def _revision(before: PlanRevision, after: PlanRevision) -> Markup:
    changes = [change(one) for one in compare_plans(before.plan, after.plan)]
    title = f"{_source(after)}; what it changed"
    return tag("details", tag("summary", title), changes or tag("p", "Nothing."))


def _decisions(state: RunState, proofs: str) -> Markup:
    rows = [
        tag(
            "tr",
            tag("td", moment(one.at), class_="fit"),
            tag("td", f"{one.boundary}: ", tag("strong", one.verdict), class_="fit"),
            tag("td", one_line(one.principal, 80), class_="words"),
            tag("td", _how(one), class_="words"),
            tag("td", one.comment),
            tag("td", _event(one.event, proofs), class_="fit"),
        )
        for one in state.approvals
    ]
    if not rows:
        return _section("decisions", tag("p", "Nobody has decided anything yet."))
    return _section("decisions", headed(("at (UTC)", "what", "who", "how", "comment", "event"), rows))


def _how(one: Approval) -> str:
    key = f"; key {one.signer.fingerprint}, listed by {one.signer.listed_by}" if one.signer else ""
    return f"{one.channel} ({ASSURANCE_OF[one.channel]}{key}), after {one.seconds:.0f} s"


def _event(seq: int, proofs: str) -> Markup:
    if not proofs:
        return tag("span", str(seq))
    return tag("a", str(seq), href=f"{proofs}{seq}/proof", title="its proof, to check elsewhere")


def _gates(found: Record) -> Markup:
    if not found.gates:
        return _section("gate", tag("p", "No gate has run."))
    left = found.gates_left_out
    more = tag("p", f"{left} older gates are in the timeline.", class_="cut") if left else NOTHING
    return _section("gate", [_gate(one, open_=nth == 0) for nth, one in enumerate(found.gates)], more)


def _gate(one: GateRun, *, open_: bool) -> Markup:
    gate = one.gate
    head = tag("summary", f"Gate {gate.attempt} ", gate_outcome(gate), f" on snapshot {gate.snapshot[:12]}")
    body = _report(one.report) if one.report is not None else tag("p", "There is no report.")
    return tag("details", head, tag("p", gate.reason) if gate.reason else NOTHING, body, open=open_)


def _report(report: GateReport) -> Markup:
    checks = [_check(one) for one in report.checks]
    told = [one for one in report.findings if one.counts() or one.allowed_by]
    left = len(told) - MAX_FINDINGS
    findings = [finding(one) for one in told[:MAX_FINDINGS]]
    findings += [tag("li", f"and {left} more", class_="cut")] if left > 0 else []
    allowed = [
        tag("li", tag("code", one.fingerprint[:8]), f" by {one.principal}: {one.reason} (event {one.event})")
        for one in report.let_throughs
    ]
    box = f"in a sandbox ({report.sandbox})" if report.sandboxed else "without a sandbox"
    cached = "; taken from an equal gate" if report.cached else ""
    policy = f"Policy {report.policy_hash[:12]} of {report.policy_source}."
    facts = f"Ran {box}, {report.seconds:.1f} s{cached}. {policy}"
    return join(
        headed(("check", "outcome", "why", "new", "old", "seconds"), checks),
        join(tag("h3", "Findings"), tag("ul", findings)) if findings else NOTHING,
        join(tag("h3", "Let through by a person"), tag("ul", allowed)) if allowed else NOTHING,
        tag("p", facts, class_="facts"),
    )


def _check(one: CheckResult) -> Markup:
    new = sum(each.counts() for each in one.findings)
    numbers = (str(new), str(len(one.findings) - new), f"{one.seconds:.1f}")
    return tag(
        "tr",
        tag("td", one.check),
        tag("td", badge(one.outcome.value), class_="fit"),
        tag("td", one.reason),
        [tag("td", number, class_="fit") for number in numbers],
    )


def _roles(state: RunState) -> Markup:
    lines = [tag("li", line) for line in account(state)]
    reviews = [_review(one) for one in state.work.reviews[-MAX_REVIEWS:][::-1]]
    if not lines and not reviews:
        return _section("roles", tag("p", "No model judged this run in a role of its own."))
    return _section("roles", tag("ul", lines), *reviews)


def _review(one: Review) -> Markup:
    head = f"{one.role}, on snapshot {one.snapshot[:12]} (event {one.event}): {one.opinion}"
    against = [tag("li", line) for line in describe(one.objections)]
    return tag("details", tag("summary", head), tag("p", one.summary), tag("ul", against))


def _pr(state: RunState, evidence: str) -> Markup:
    pr = state.pr
    if pr is None:
        return _section("pr", tag("p", "There is no pull request."))
    link = tag("a", "Signed evidence", href=evidence)
    how = f", to check with `pev verify-pr {pr.commit[:12]} --key VKEY`"
    return _section("pr", headed(("what", "value"), _pr_rows(pr)), tag("p", link, how))


def _pr_rows(pr: PrState) -> list[Markup]:
    merged = (
        f"{pr.merge_commit[:12]} by {one_line(pr.merged_by, 80) or 'somebody'}" if pr.merge_commit else ""
    )
    rows: list[tuple[str, str]] = [
        ("pull request", join(pull_request(pr), f" ({pr.forge})")),
        ("address", pr.url),
        ("branch", pr.branch),
        ("judged commit", pr.commit),
        ("its tree", pr.tree),
        ("head at the forge", pr.head),
        ("merged", merged),
        ("warning", pr.warning),
    ]
    return [tag("tr", tag("td", name, class_="fit"), tag("td", value)) for name, value in rows if value]


def _change(found: Record) -> Markup:
    if not found.diff:
        return _section("change", tag("p", "Nothing was judged yet, or nothing differs from the base."))
    about = next((one.gate for one in found.gates if one.report is not None), None)
    told = f"What gate {about.attempt} judged, against the base." if about is not None else ""
    return _section("change", tag("p", told, class_="facts"), diff(found.diff, most=MAX_LINES))


def _timeline(page: TrailPage | None, run_id: RunId, base: str, *, newest_first: bool) -> Markup:
    if page is None:
        return _section("timeline", tag("p", "Its events are not shown here."))
    rows = [
        tag(
            "tr",
            tag("td", _event(one.seq, f"{base}trail/events/"), class_="fit"),
            tag("td", moment(one.at), class_="fit"),
            tag("td", name_actor(one.actor), class_="words"),
            tag("td", tell(one)),
        )
        for one in page.events
    ]
    here = f"{base}trail/runs/{run_id}"
    order = {"order": "newest"} if newest_first else {}
    other = {} if newest_first else {"order": "newest"}
    turn = tag("a", f"{'Oldest' if newest_first else 'Newest'} first", href=_to(here, other))
    on = tag("a", "Further events", href=_to(here, {**order, "cursor": page.cursor or ""}))
    return _section(
        "timeline",
        tag("p", turn, class_="ways"),
        headed(("event", "at (UTC)", "who", "did what"), rows),
        tag("p", on, class_="ways") if page.cursor else NOTHING,
    )


def _to(here: str, asked: dict[str, str]) -> str:
    return f"{here}?{urlencode(asked)}#timeline" if asked else f"{here}#timeline"
