"""What models did in a run: held-out tests, reviews, the author's turns, and what all of it cost.

It is a part of the run's state, and like the rest of it nothing but the fold of events.
"""

from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from pev.events import Event, Kind
from pev.models import Digest, Line, Model, ObjectId, Role, Source, Text, Verdict
from pev.plan import RepoPath


class Kin(StrEnum):
    """Whether author and judge were models of one family; what cannot be told counts as not different."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Opinion(StrEnum):
    """What a reviewer says of a change."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"


class Objection(Model):
    """One thing that a reviewer says against a change; `line` is one of the new file, from 1."""

    path: RepoPath
    line: int | None = Field(default=None, ge=1)
    message: Line


class Trial(Model):
    """What held-out tests do on the base: `passing` are criteria for which they prove nothing new."""

    measured: bool
    passing: tuple[str, ...] = ()
    reason: str = ""


class HeldOut(Model):
    """The held-out tests of a run, by reference. Their source is a blob that no view leads to."""

    digest: Digest
    plan_hash: Digest
    criteria: tuple[str, ...]
    tests: int = Field(ge=1)
    source: Source
    model: str = ""
    trial: Trial | None = None
    event: int = Field(ge=0)


class Review(Model):
    """A role's structured verdict on one snapshot."""

    role: Role
    opinion: Opinion
    summary: Text
    objections: tuple[Objection, ...] = ()
    snapshot: ObjectId
    source: Source
    model: str = ""
    kin: Kin = Kin.UNKNOWN
    event: int = Field(ge=0)


class Authored(Model):
    """A tree that models asked by PEV made, as far as the trail can tell.

    `whole` says that all of it, from the base on, is theirs: nobody changed the worktree between their turns.
    """

    tree: ObjectId
    models: tuple[str, ...]
    whole: bool


class Turn(Model):
    """A turn of the author that is not over: the conversation so far, as blobs in order."""

    number: int = Field(ge=1)
    before: ObjectId
    source: Source
    parts: tuple[Digest, ...] = ()
    steps: int = 0


class Spent(Model):
    """What models cost: calls, tokens as they were told, and seconds of waiting."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Budget(Model):
    """What a loop may cost between two decisions of a person."""

    calls: int = Field(default=200, ge=1, le=100_000)
    tokens: int = Field(default=4_000_000, ge=1)
    seconds: float = Field(default=14_400.0, gt=0)


class Work(Model):
    """The part of a run's state that models made.

    `ready` says that the author's turn is over and nothing was found against its work since: it is to be
    judged, or it passed. `paid` is what had been spent when a person last decided: budgets count from there.
    `judged` is the number of the newest event that ended a gate, `tried` the author's turns since a person
    last decided.
    """

    held_out: HeldOut | None = None
    reviews: tuple[Review, ...] = ()
    authored: Authored | None = None
    turn: Turn | None = None
    turns: int = 0
    ready: bool = False
    spent: Spent = Spent()
    paid: Spent = Spent()
    budget: Budget | None = None
    attempts: int | None = None
    judges: tuple[str, ...] = ()
    tried: int = 0
    judged: int = -1

    def review_of(self, role: Role) -> Review | None:
        """Give a role's newest review."""
        return next((one for one in reversed(self.reviews) if one.role is role), None)

    def rejections_of(self, snapshot: ObjectId) -> tuple[Review, ...]:
        """Give the newest reviews that reject a snapshot, one for each role."""
        newest = (self.review_of(role) for role in (Role.REVIEWER, Role.SECURITY))
        return tuple(
            one
            for one in newest
            if one is not None and one.opinion is Opinion.REJECT and one.snapshot == snapshot
        )

    @property
    def exceeded(self) -> str:
        """Name the budget that is used up; "" if none is."""
        if self.budget is None:
            return ""
        for name in ("calls", "tokens", "seconds"):
            used = getattr(self.spent, name) - getattr(self.paid, name)
            if used >= (limit := getattr(self.budget, name)):
                return f"{used:g} of {limit:g} model {name}"
        return ""


def _spend(work: Work, body: dict[str, Any]) -> Work:
    spent = Spent(
        calls=work.spent.calls + 1,
        tokens=work.spent.tokens + int(body.get("tokens", 0)),
        seconds=round(work.spent.seconds + float(body.get("seconds", 0.0)), 3),
    )
    return work.model_copy(update={"spent": spent})


def _tests_tried(work: Work, body: dict[str, Any]) -> Work:
    if work.held_out is None or work.held_out.digest != body["digest"]:
        return work
    trial = Trial.model_validate(body["trial"])
    return work.model_copy(update={"held_out": work.held_out.model_copy(update={"trial": trial})})


def _reviewed(work: Work, event: Event, body: dict[str, Any]) -> Work:
    review = Review.model_validate({**body["review"], "event": event.seq})
    ready = work.ready and review.opinion is not Opinion.REJECT
    return work.model_copy(update={"reviews": (*work.reviews, review), "ready": ready})


def _stepped(work: Work, body: dict[str, Any]) -> Work:
    turn = work.turn or Turn.model_validate({"number": work.turns + 1, **body["begins"]})
    turn = turn.model_copy(update={"parts": (*turn.parts, body["part"]), "steps": turn.steps + 1})
    return work.model_copy(update={"turn": turn, "ready": False})


def _worked(work: Work, body: dict[str, Any]) -> Work:
    authored = Authored.model_validate(body["authored"])
    return work.model_copy(
        update={
            "authored": authored,
            "turn": None,
            "turns": work.turns + 1,
            "tried": work.tried + 1,
            "ready": bool(body["ready"]),
        }
    )


def _decided(work: Work, body: dict[str, Any]) -> Work:
    changes: dict[str, Any] = {"ready": False, "paid": work.spent, "turn": None, "tried": 0}
    verdict, comment = body["approval"]["verdict"], body["approval"].get("comment", "")
    if verdict == Verdict.ALLOW.value:
        changes["ready"] = True  # what was let through is judged again as it is
    if verdict == Verdict.RETRY.value and not comment:
        changes["ready"] = work.ready  # without a word to the author, what stands is judged on
    return work.model_copy(update=changes)


WORKED: Final = frozenset(
    {
        Kind.MODEL_ANSWERED,
        Kind.TESTS_SUBMITTED,
        Kind.TESTS_TRIED,
        Kind.REVIEW_SUBMITTED,
        Kind.LOOP_STARTED,
        Kind.AUTHOR_STEPPED,
        Kind.AUTHOR_WORKED,
        Kind.GATE_FINISHED,
        Kind.DECISION_ANSWERED,
    }
)
"""The kinds of events that change it."""


def work_after(work: Work, event: Event) -> Work:
    """Give the work of a run after one more of its events."""
    body = event.payload
    if body is None:
        return work
    match event.kind:
        case Kind.MODEL_ANSWERED:
            return _spend(work, body)
        case Kind.TESTS_SUBMITTED:
            held_out = HeldOut.model_validate({**body["held_out"], "event": event.seq})
            return work.model_copy(update={"held_out": held_out})
        case Kind.TESTS_TRIED:
            return _tests_tried(work, body)
        case Kind.REVIEW_SUBMITTED:
            return _reviewed(work, event, body)
        case Kind.LOOP_STARTED:
            budget = Budget.model_validate(body["budget"])
            limits = {"budget": budget, "attempts": body["attempts"], "judges": tuple(body["judges"])}
            return work.model_copy(update=limits)
        case Kind.AUTHOR_STEPPED:
            return _stepped(work, body)
        case Kind.AUTHOR_WORKED:
            return _worked(work, body)
        case Kind.GATE_FINISHED:
            return work.model_copy(update={"judged": event.seq, "ready": body["outcome"] == "PASSED"})
        case Kind.DECISION_ANSWERED:
            return _decided(work, body)
        case _:
            return work
