"""What an explanation of a line says: values only, so that a server can describe them early."""

from enum import StrEnum

from pydantic import Field

from pev.findings import Outcome
from pev.models import Assurance, Channel, LetThrough, Model, ObjectId, RunId
from pev.plan import Step


class Match(StrEnum):
    """By what a commit was found to be a run's."""

    COMMIT = "the run's own commit"
    MERGED_AS = "what the forge merged it as"
    TREE = "the run's own tree"
    PATCH = "the same change"
    TRAILER = "only a trailer in its message, which anyone can write"
    NONE = "nothing"


class Decided(Model):
    """A decision of a person, and how sure it is that it was theirs."""

    boundary: str
    verdict: str
    principal: str
    channel: Channel
    assurance: Assurance
    at: str
    seconds: float
    comment: str
    event: int


class Judged(Model):
    """What the gate said of the snapshot: the outcome of each check, and what was let through."""

    attempt: int
    outcome: Outcome | None
    snapshot: ObjectId
    checks: dict[str, str] = Field(default_factory=dict)
    let_throughs: tuple[LetThrough, ...] = ()
    sandboxed: bool | None = None


class Origin(Model):
    """The commit that a line is from, and what it says of itself."""

    commit: ObjectId
    path: str
    line: int
    text: str
    author: str
    at: str
    subject: str


class Explanation(Model):
    """Why a line is there. Without a `run`, no run that this trail knows made its commit."""

    summary: str
    origin: Origin
    matched_by: Match
    run: RunId | None = None
    task: str = ""
    opened_by: str = ""
    goal: str = ""
    plan_revision: int | None = None
    steps: tuple[Step, ...] = ()
    outside_plan: bool = False
    decisions: tuple[Decided, ...] = ()
    gate: Judged | None = None
    pull_request: str = ""
    pull_request_state: str = ""
    merged_by: str = ""
    warning: str = ""
    events: tuple[int, ...] = ()
