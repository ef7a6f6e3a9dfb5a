"""Tools of reviews: review_change, and submit_review for the reviewing roles."""

from typing import Annotated, Final, Literal

from fastmcp.dependencies import Depends
from fastmcp.tools import Tool
from mcp_types import InputRequiredResult, ToolAnnotations
from pydantic import Field

from pev.account import newest_reviews
from pev.engine import Engine, parse_run_id
from pev.models import Caller, Model, ObjectId, Role
from pev.roles.verdict import parse_judgement
from pev.run import RunState, Status
from pev.work import Objection, Review
from pev_server.asking import Models, Nobody
from pev_server.decisions import Decisions
from pev_server.deps import RunIdText, get_caller, get_decisions, get_engine, get_models

_WRITE: Final = "No model can be asked here ({why}). Follow the brief, then call submit_review."
_ELSEWHERE: Final = (
    "No model can be asked here ({why}), and the author of a change does not review it. A session of the"
    " {role} role does: pev serve --role {role}."
)


class ReviewView(Model):
    """The newest verdict of each reviewing role, and what a session of one needs to give its own."""

    run_id: str
    status: Status
    reviews: tuple[Review, ...] = ()
    snapshot: str = Field(default="", description="for the reviewing role: what its review is of")
    brief: str = Field(default="", description="for the reviewing role: follow it, then call submit_review")
    notes: tuple[str, ...] = ()


def _view(state: RunState, *notes: str) -> ReviewView:
    return ReviewView(run_id=state.id, status=state.status, reviews=newest_reviews(state), notes=notes)


async def review_change(
    run_id: RunIdText,
    role: Annotated[
        Literal["reviewer", "security"] | None, Field(description="who reviews; default: reviewer")
    ] = None,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
    decisions: Decisions = Depends(get_decisions),
    models: Models = Depends(get_models),
) -> ReviewView | InputRequiredResult:
    """Have the reviewer or security role read the change against its plan, and judge this snapshot.

    Call it when the gate has passed. A rejection sends the run back with its reasons, and blocks open_pr
    until another snapshot was reviewed or a person decided.
    """
    run = parse_run_id(run_id)
    back = await decisions.came_back(run)
    own = caller.role if caller.role in (Role.REVIEWER, Role.SECURITY) else Role.REVIEWER
    judge = Role(role) if role is not None else own
    snapshot: ObjectId | None = None
    if back is None:
        brief, snapshot = await engine.reviewing.brief(caller, run, judge)
        answer = await models.ask(run, brief, None, about=snapshot)
    else:
        brief = None
        answer = models.came_back(back)
    if isinstance(answer, InputRequiredResult):
        return answer
    if isinstance(answer, Nobody):
        state = await engine.core.state(run)
        if caller.role is not judge or brief is None:
            return _view(state, _ELSEWHERE.format(why=answer.why, role=judge))
        shown = {"brief": brief.written, "snapshot": snapshot or ""}
        return _view(state, _WRITE.format(why=answer.why)).model_copy(update=shown)
    return _view(await engine.reviewing.take(caller, run, answer, judge))


async def submit_review(
    run_id: RunIdText,
    snapshot: Annotated[str, Field(description="what review_change gave", max_length=64)],
    verdict: Annotated[Literal["ACCEPT", "REJECT"], Field(description="the verdict")],
    summary: Annotated[str, Field(description="why, in a few sentences", min_length=1, max_length=2_000)],
    objections: Annotated[
        list[Objection] | None, Field(description="each at a changed line; a rejection needs one")
    ] = None,
    engine: Engine = Depends(get_engine),
    caller: Caller = Depends(get_caller),
) -> ReviewView:
    """Give a verdict on a snapshot. Only the reviewer and security roles do, each for itself."""
    value = {"verdict": verdict, "summary": summary, "objections": objections or ()}
    state = await engine.reviewing.submit(caller, parse_run_id(run_id), snapshot, parse_judgement(value))
    return _view(state)


_ASKS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
TOOLS: Final = (
    Tool.from_function(review_change, annotations=_ASKS),
    Tool.from_function(
        submit_review,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    ),
)
