"""Explains a line: its commit, the run that made it, who approved what, what the gate said, who merged.

A commit is a run's only if the run's own record says so: by its commit, by what the forge merged it as, by
its tree, or by the same change (git-patch-id), so that a squash and a rebase are seen through. A trailer in a
message is a hint that anyone can write, and is never more.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import anyio

from pev.core import Core
from pev.errors import CommandFailed, InvalidInput, RefNotFound, RunUnknown
from pev.events import Event, Kind
from pev.facts import Approval
from pev.findings import GateReport
from pev.models import ASSURANCE_OF, ObjectId, RepoId, RunId, run_of_stream, run_stream
from pev.plan import check_repo_path
from pev.repos.depot import Depot
from pev.run import RunState
from pev.text import harmless, one_line
from pev.trail.explanation import Decided, Explanation, Judged, Match, Origin
from pev.trail.query import MAX_LIMIT, TrailQuery

MAX_PATCHES: Final = 50
"""How many runs' changes are compared with a commit's; each takes two calls of git."""
_TRAILER: Final = re.compile(r"^PEV-Run: ([0-9a-f]{8})\s*$", re.MULTILINE)
_ESCAPED: Final = re.compile(r"\\([abtnvfr\"\\]|[0-7]{3})")
_ESCAPES: Final = dict(zip('abtnvfr"\\', '\a\b\t\n\v\f\r"\\', strict=True))
_BLAMED: Final = re.compile(r"([0-9a-f]{40,64}) ([0-9]+) [0-9]+")


@dataclass(frozen=True, slots=True)
class _Commit:
    tree: str
    parent: str | None
    author: str
    at: str
    message: str


class _Found(NamedTuple):
    """The run that a commit is of, and by what; `is_partial` says that not every run was looked at."""

    state: RunState | None
    match: Match
    is_partial: bool = False


async def explain(core: Core, repo: str | None, path: str, line: int, rev: str = "HEAD") -> Explanation:
    """Explain line number `line`, from 1, of a file as it is at a revision of the user's repository.

    Raises InvalidInput for a path or line that is not there, RefNotFound, RepoUnknown.
    """
    try:
        clean = check_repo_path(path)
    except ValueError as exc:
        raise InvalidInput(f"{path!r} is no path in the repository: {exc}", hint="Give it relative.") from exc
    depot = await core.depot(await core.catalog.find(repo))
    origin = await _origin(depot, await depot.resolve(rev), clean, line)
    commit = await _read(depot, origin.commit)
    origin = origin.model_copy(
        update={
            "author": one_line(commit.author),
            "at": commit.at,
            "subject": one_line(commit.message.split("\n")[0]),
        }
    )
    found = await _run_of(core, depot, origin.commit, commit)
    if found.state is None:
        return Explanation(summary=_without_run(origin, found), origin=origin, matched_by=found.match)
    return await _explained(core, found.state, origin, found.match)


async def _origin(depot: Depot, commit: ObjectId, path: str, line: int) -> Origin:
    if line < 1:
        raise InvalidInput(f"line {line} is not there", hint="Lines count from 1.")
    if await depot.read_blob(commit, path) is None:
        raise InvalidInput(f"{path!r} is not in commit {commit[:12]}", hint="Name a file as it is there.")
    try:
        said = (await depot.git.blame(commit, path, line)).decode("utf-8", "replace")
    except CommandFailed as exc:
        raise InvalidInput(f"{path} has no line {line} in commit {commit[:12]}", hint="Name one.") from exc
    first, *rest = said.split("\n")
    blamed = _BLAMED.match(first)
    if blamed is None:
        raise InvalidInput(f"line {line} of {path} is of no commit", hint="Name another line.")
    named = next((one for one in rest if one.startswith("filename ")), f"filename {path}")
    text = next((one[1:] for one in rest if one.startswith("\t")), "")
    return Origin(
        commit=ObjectId(blamed[1]),
        path=_unquoted(named.removeprefix("filename ")),
        line=int(blamed[2]),
        text=one_line(text, 500),
        author="",
        at="",
        subject="",
    )


def _unquoted(name: str) -> str:
    """Read a file's name as git writes it: in quotes, with escapes, where it has odd characters."""
    if not name.startswith('"'):
        return name
    return _ESCAPED.sub(lambda one: _ESCAPES.get(one[1]) or chr(int(one[1], 8)), name[1:-1])


async def _read(depot: Depot, oid: ObjectId) -> _Commit:
    listed = await depot.git.contents([oid])
    header, _, body = listed.partition(b"\n")
    if header.split(b" ")[1:2] != [b"commit"]:
        raise RefNotFound(f"commit {oid} is not in the depot", hint="Fetch it into your repository.")
    above, _, message = body.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, str] = {}
    for line in above.split("\n"):
        name, _, value = line.partition(" ")
        fields.setdefault(name, value)
    who, _, when = fields.get("author", "").rpartition("> ")
    return _Commit(fields["tree"], fields.get("parent"), f"{who}>", _at(when), message)


def _at(when: str) -> str:
    """Write a commit's time; empty if it is none, or one that no calendar has: anyone can write one."""
    try:
        return datetime.fromtimestamp(int(when.split(" ")[0]), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


async def _run_of(core: Core, depot: Depot, oid: ObjectId, commit: _Commit) -> _Found:
    """Find the run whose record says that a commit is its own, or was made of its own."""
    hinted = tuple(dict.fromkeys(RunId(one) for one in _TRAILER.findall(commit.message)))
    recorded: dict[Match, list[RunId]] = {}
    for text in (oid, commit.tree):
        async for event in _pull_requests(core, depot.repo.id, text):
            run = run_of_stream(event.stream)
            if run is not None:
                recorded.setdefault(_match(event, oid, commit.tree), []).append(run)
    for match in (Match.COMMIT, Match.MERGED_AS, Match.TREE):
        for one in sorted(recorded.get(match, ()), key=lambda run: run not in hinted):
            state = await _known(core, one)
            if state is not None:
                return _Found(state, match)
    found = await _same_change(core, depot, oid, commit, hinted)
    none = Match.TRAILER if hinted else Match.NONE
    return found if found.state is not None else found._replace(match=none)


async def _pull_requests(core: Core, repo: RepoId, text: str | None = None) -> AsyncIterator[Event]:
    """Give what is recorded of a repository's pull requests, the newest first; `text` stands in it."""
    kinds = (Kind.PR_OPENED, Kind.PR_SYNCED)
    question: TrailQuery | None = TrailQuery(
        repo=repo, kinds=kinds, text=text, newest_first=True, limit=MAX_LIMIT
    )
    while question is not None:
        page = await core.query(question)
        for event in page.events:
            yield event
        question = question.model_copy(update={"cursor": page.cursor}) if page.cursor else None


def _match(event: Event, oid: str, tree: str) -> Match:
    pr: dict[str, Any] = (event.payload or {}).get("pr", {})
    if event.kind is Kind.PR_OPENED and pr.get("commit") == oid:
        return Match.COMMIT
    if event.kind is Kind.PR_SYNCED and pr.get("merge_commit") == oid:
        return Match.MERGED_AS
    if event.kind is Kind.PR_OPENED and pr.get("tree") == tree:
        return Match.TREE
    return Match.NONE


async def _known(core: Core, run_id: RunId) -> RunState | None:
    try:
        return await core.state(run_id)
    except RunUnknown:
        return None


async def _same_change(
    core: Core, depot: Depot, oid: ObjectId, commit: _Commit, hinted: Sequence[RunId]
) -> _Found:
    """Find the run whose whole change is the one that a commit made, as after a squash or a rebase.

    Looks at runs that the commit's message names, then at the newest.
    """
    wanted = await _patch_id(depot, commit.parent, oid) if commit.parent else None
    if wanted is None:
        return _Found(None, Match.NONE)
    seen: set[RunId] = set()
    async for run in _candidates(core, depot.repo.id, hinted):
        if run in seen:
            continue
        if len(seen) >= MAX_PATCHES:
            return _Found(None, Match.NONE, is_partial=True)
        seen.add(run)
        state = await _known(core, run)
        if state is None or state.repo != depot.repo.id or state.pr is None:
            continue
        if await _patch_id(depot, state.base_commit, state.pr.commit) == wanted:
            return _Found(state, Match.PATCH)
    return _Found(None, Match.NONE)


async def _candidates(core: Core, repo: RepoId, hinted: Sequence[RunId]) -> AsyncIterator[RunId]:
    for named in hinted:
        yield named
    async for event in _pull_requests(core, repo):
        run = run_of_stream(event.stream)
        if run is not None:
            yield run


async def _patch_id(depot: Depot, old: str, new: str) -> str | None:
    try:
        found = await depot.git.patch_ids(await depot.git.diff("whole", old, new))
    except CommandFailed:  # a commit that is no longer here
        return None
    return found[0][0] if found else None


async def _explained(core: Core, state: RunState, origin: Origin, matched: Match) -> Explanation:
    revision = state.approved_revision or state.revision
    plan = revision.plan if revision else None
    steps = tuple(
        step
        for step in (plan.steps if plan else ())
        if any(
            origin.path == one or (one.endswith("/") and origin.path.startswith(one))
            for one in step.files_touched
        )
    )
    events = await anyio.to_thread.run_sync(core.trail.read, run_stream(state.id))
    pr = state.pr
    said = Explanation(
        summary="",
        origin=origin,
        matched_by=matched,
        run=state.id,
        task=harmless(state.task),
        opened_by=state.opened_by,
        goal=plan.goal if plan else "",
        plan_revision=revision.revision if revision else None,
        steps=steps,
        outside_plan=plan is not None and not plan.covers(origin.path),
        decisions=tuple(_decided(one) for one in state.approvals),
        gate=_judged(state, await core.report(state)),
        pull_request=pr.url if pr else "",
        pull_request_state=pr.state if pr else "",
        merged_by=pr.merged_by if pr else "",
        warning=pr.warning if pr else "",
        events=_telling(events),
    )
    return said.model_copy(update={"summary": _summary(said)})


_TELLING: Final = frozenset(
    {
        Kind.RUN_OPENED,
        Kind.PLAN_SUBMITTED,
        Kind.DECISION_ANSWERED,
        Kind.GATE_FINISHED,
        Kind.PR_OPENED,
        Kind.PR_SYNCED,
    }
)


def _telling(events: list[Event]) -> tuple[int, ...]:
    return tuple(event.seq for event in events if event.kind in _TELLING)


def _decided(one: Approval) -> Decided:
    return Decided(
        boundary=one.boundary.value,
        verdict=one.verdict.value,
        principal=one.principal,
        channel=one.channel,
        assurance=ASSURANCE_OF[one.channel],
        at=one.at,
        seconds=one.seconds,
        comment=harmless(one.comment),
        event=one.event,
    )


def _judged(state: RunState, report: GateReport | None) -> Judged | None:
    gate = state.gate
    if gate is None:
        return None
    judged = Judged(
        attempt=gate.attempt, outcome=gate.outcome, snapshot=gate.snapshot, let_throughs=state.let_throughs
    )
    if report is None:
        return judged
    checks = {check.check: check.outcome.value for check in report.checks}
    return judged.model_copy(
        update={"checks": checks, "let_throughs": report.let_throughs, "sandboxed": report.sandboxed}
    )


def _without_run(origin: Origin, found: _Found) -> str:
    commit = f"commit {origin.commit[:12]} ({origin.subject}) by {origin.author}"
    if found.match is Match.TRAILER:
        return f"{commit} names a run in a trailer; the trail does not confirm that it is that run's change"
    said = f"{commit} is of no run that this trail knows"
    if found.is_partial:
        return f"{said}; only the {MAX_PATCHES} newest were searched for a squash or rebase of their change"
    return said


def _summary(said: Explanation) -> str:
    approvals = [one for one in said.decisions if one.boundary == "plan" and one.verdict == "approve"]
    approved = "no approved plan"
    if approvals:
        last = approvals[-1]
        approved = f"approved by {last.principal} ({last.channel}, {last.assurance})"
    step = f" step {', '.join(one.id for one in said.steps)}" if said.steps else " outside its plan"
    gate = said.gate.outcome if said.gate and said.gate.outcome else "no gate"
    merged = (
        f"merged by {said.merged_by or 'an unnamed hand'}"
        if said.pull_request_state == "merged"
        else (said.pull_request_state or "never shipped")
    )
    loud = f"; {said.warning}" if said.warning else ""
    return f"run {said.run} ({one_line(said.task, 120)}),{step}: {approved}; gate {gate}; {merged}{loud}"
