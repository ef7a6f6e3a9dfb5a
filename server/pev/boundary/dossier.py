"""All that a person may want to read before they decide on a run, in one value."""

from dataclasses import replace
from typing import Final

from pev.boundary.desk import Desk
from pev.boundary.question import Question, poses_question, revision_seen
from pev.core import Core
from pev.errors import PevError
from pev.findings import GateReport
from pev.models import Caller, Model, RunId, Scope, require_scope
from pev.plan import Change, compare_plans
from pev.run import RunState
from pev.trail.query import RunPage, TrailQuery
from pev.trail.telling import name_actor, tell

MAX_DIFF: Final = 200_000
_MAX_EVENTS: Final = 100
_MAX_RUNS: Final = 200


class Happening(Model):
    """One event of a run, in a line."""

    event: int
    at: str
    kind: str
    who: str
    what: str


class Dossier(Model):
    """A run, the question that it poses, and what led there.

    `changes` is the difference of the newest plan to revision `since`, which a person has decided on; `diff`
    is the change that the newest gate judged, against the base.
    """

    state: RunState
    question: Question | None
    report: GateReport | None
    since: int | None = None
    changes: tuple[Change, ...] = ()
    diff: str = ""
    history: tuple[Happening, ...] = ()


async def waiting(core: Core, caller: Caller) -> RunPage:
    """Give the runs that wait for a person, the newest first, and those that cannot be read and may do so."""
    require_scope(caller, Scope.READ)
    found = await core.run_page(limit=_MAX_RUNS, open_only=True)
    return replace(found, runs=tuple(state for state in found if poses_question(state)))


async def open_dossier(core: Core, desk: Desk, caller: Caller, run_id: RunId) -> Dossier:
    """Read everything about a run; the question that it poses counts as asked now. Raises RunUnknown."""
    require_scope(caller, Scope.READ)
    question = await desk.question(run_id, caller)
    state = await core.state(run_id)
    report = await core.report(state)
    seen = revision_seen(state)
    changes = compare_plans(seen.plan, state.revision.plan) if seen and state.revision else ()
    return Dossier(
        state=state,
        question=question,
        report=report,
        since=seen.revision if seen else None,
        changes=changes,
        diff=await judged_diff(core, state, report),
        history=await _history(core, run_id),
    )


async def judged_diff(core: Core, state: RunState, report: GateReport | None) -> str:
    """Give the diff that was judged, not what lies in the worktree now: at most MAX_DIFF bytes."""
    if report is None:
        return ""
    try:
        kept = core.kept(state)
        base = await kept.tree_of(state.base_commit)
        return await kept.diff(base, report.snapshot, limit_bytes=MAX_DIFF)
    except PevError as exc:
        return f"The diff cannot be shown: {exc.message}"


async def _history(core: Core, run_id: RunId) -> tuple[Happening, ...]:
    query = TrailQuery(run=run_id, limit=_MAX_EVENTS, newest_first=True)
    page = await core.query(query)
    return tuple(
        Happening(
            event=one.seq,
            at=one.at[:19].replace("T", " "),
            kind=one.kind.value,
            who=name_actor(one.actor),
            what=tell(one),
        )
        for one in page.events
    )
