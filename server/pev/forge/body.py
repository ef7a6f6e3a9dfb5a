"""The body of a pull request: what a reviewer needs in a minute, and what a machine can check."""

from collections.abc import Sequence

from pev.account import account, rejections
from pev.findings import GateReport, Outcome
from pev.models import ASSURANCE_OF, ObjectId
from pev.plan import to_markdown
from pev.repos.objects import DiffStat
from pev.run import RunState
from pev.text import one_line
from pev.trail.merkle import TreeHead

_MARK = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "**FAILED**",
    Outcome.HELD: "**HELD**",
    Outcome.INCONCLUSIVE: "**INCONCLUSIVE**",
    Outcome.SKIPPED: "skipped",
}
MAX_FILES = 60


def _cell(text: str) -> str:
    return one_line(text, 200).replace("|", "\\|").replace("<", "&lt;")


def _checks(report: GateReport) -> list[str]:
    rows = ["| check | outcome | note | seconds |", "|---|---|---|---|"]
    for check in report.checks:
        old = sum(not one.counts() for one in check.findings)
        note = _cell(check.reason) or (f"{old} old findings" if old else "")
        rows.append(f"| {check.check} | {_MARK[check.outcome]} | {note} | {check.seconds:.1f} |")
    return rows


def _approvals(state: RunState) -> list[str]:
    out = []
    for one in state.approvals:
        said = f": {_cell(one.comment)}" if one.comment else ""
        key = (
            f", key `{_cell(one.signer.fingerprint)}` listed by the {one.signer.listed_by}"
            if one.signer
            else ""
        )
        out.append(
            f"- {one.boundary}: {one.verdict} by {_cell(one.principal)} through {one.channel}"
            f" ({ASSURANCE_OF[one.channel]}{key}) after {one.seconds:.0f} s (event {one.event}){said}"
        )
    return out


def _criteria(report: GateReport) -> list[str]:
    """List which test shows which acceptance criterion, and which none does."""
    rules = ("criterion-met", "criterion-shown", "criterion-not-shown")
    said = [one for check in report.checks for one in check.findings if one.rule in rules]
    lines = [f"- {_cell(one.message)}" for one in said]
    return ["## Acceptance criteria", "", *lines, ""] if lines else []


def _roles(state: RunState, report: GateReport) -> list[str]:
    """Say of each role by which model it was held, and how independent of the author."""
    lines = [f"- {_cell(line)}" for line in account(state, report.snapshot)]
    overruled = [f"- {_cell(line.removeprefix('- '))}" for line in rejections(state, report.snapshot)]
    if overruled:
        lines += ["", "A person decided to go on although:", "", *overruled]
    return ["## Roles", "", *lines, ""] if lines else []


def _files(state: RunState, stat: DiffStat) -> list[str]:
    plan = state.approved_revision.plan if state.approved_revision else None
    out = []
    for one in stat.files[:MAX_FILES]:
        outside = "" if plan is None or plan.covers(one.path) else " (outside the plan)"
        out.append(f"- `{_cell(one.path)}` +{one.added} -{one.removed}{outside}")
    if len(stat.files) > MAX_FILES:
        out.append(f"- and {len(stat.files) - MAX_FILES} more")
    return out


def _how_to_verify(state: RunState, commit: ObjectId, keys: Sequence[str]) -> list[str]:
    """Say how anybody checks the signed evidence; what the key is worth, the reader must know."""
    if not keys:
        return []
    ref = f"refs/notes/pev/{state.id}"
    return [
        "To verify, with the key of this server that you know from elsewhere:",
        "",
        "```",
        f"git fetch origin {ref}:{ref}",
        f"pev verify-pr {commit} --key '{keys[0]}'",
        "```",
        "",
    ]


def render_body(
    state: RunState,
    report: GateReport,
    stat: DiffStat,
    *,
    commit: ObjectId,
    head: TreeHead,
    keys: Sequence[str] = (),
) -> str:
    """Render the evidence of a run as Markdown. Foreign text is folded to lines without markup."""
    plan = state.approved_revision
    out = [to_markdown(plan.plan, revision=plan.revision) if plan else ""]
    out += [f"## Gate: {report.outcome}", "", *_checks(report), ""]
    if report.sandboxed:
        out += [f"The checks ran in a sandbox: {report.sandbox}.", ""]
    else:
        out += ["The checks were **not sandboxed**.", ""]
    if report.let_throughs:
        out += ["## Let through by a person", ""]
        out += [
            f"- `{one.fingerprint[:8]}` by {_cell(one.principal)}: {_cell(one.reason)}"
            for one in report.let_throughs
        ]
        out.append("")
    out += _criteria(report)
    out += _roles(state, report)
    out += ["## Changed files", "", *_files(state, stat), "", "## Who decided", "", *_approvals(state), ""]
    out += [
        "## Evidence",
        "",
        f"- run `{state.id}`, {state.attempts_used} failed attempts before this",
        f"- base `{state.base_ref}` at `{state.base_commit}`",
        f"- commit `{commit}` with tree `{report.snapshot}`, which is what the gate judged",
        f"- policy `{report.policy_hash}` from {report.policy_source} of `{state.trusted_ref}`",
        f"- gate `{report.key}`",
        f"- trail: {head.size} events, root `{head.root}`",
        "",
        *_how_to_verify(state, commit, keys),
        "A person merges this. Green does not prove that code behaves the same when it is not being tested.",
        "",
    ]
    return "\n".join(out)
