"""What the roles did in a run, in sentences: who judged, by which model, and how independent that was.

Independence is reported, not claimed: what cannot be told is said to be unknown.
"""

from collections.abc import Sequence

from pev.family import kin_of
from pev.models import ObjectId, Role
from pev.run import RunState
from pev.text import one_line
from pev.work import Kin, Objection, Opinion, Review

_JUDGES = (Role.REVIEWER, Role.SECURITY)
_KIN = {
    Kin.SAME: "of the author's model family",
    Kin.DIFFERENT: "of another model family than the author",
    Kin.UNKNOWN: "not known to be of another model family than the author",
}


def authors_of(state: RunState, snapshot: ObjectId) -> tuple[str, ...]:
    """Name the models that made a snapshot, if the trail shows that nobody else touched it; else none."""
    authored = state.work.authored
    return authored.models if authored is not None and authored.whole and authored.tree == snapshot else ()


def tester_kin(state: RunState, snapshot: ObjectId) -> Kin:
    """Say whether the author and the tester of held-out tests were models of one family."""
    held = state.work.held_out
    return kin_of(authors_of(state, snapshot), held.model) if held is not None else Kin.UNKNOWN


def newest_reviews(state: RunState) -> tuple[Review, ...]:
    """Give the newest review of each role."""
    return tuple(one for role in _JUDGES if (one := state.work.review_of(role)) is not None)


def account(state: RunState, snapshot: ObjectId | None = None) -> tuple[str, ...]:
    """Say of each role what it did; of reviews those that are about the snapshot, all without one."""
    out = []
    where = snapshot or (state.gate.snapshot if state.gate is not None else ObjectId(""))
    authors = authors_of(state, where)
    if state.work.authored is not None:
        models = ", ".join(one_line(one, 100) for one in authors)
        out.append(f"author: {models}" if models else "author: not known; not only models that PEV asked")
    held = state.work.held_out
    if held is not None:
        new = ""
        if held.trial is not None and held.trial.passing:
            new = f"; those of {', '.join(held.trial.passing)} pass on the base too and prove nothing new"
        out.append(
            f"tester: {held.tests} held-out tests of {', '.join(held.criteria)},"
            f" {_how(held.source, held.model, tester_kin(state, where))}{new}"
        )
    for one in newest_reviews(state):
        if snapshot in (None, one.snapshot):
            what = f"{one.role}: {one.opinion} of {one.snapshot[:12]}"
            out.append(f"{what}, {_how(one.source, one.model, one.kin)}: {one_line(one.summary, 200)}")
    return tuple(out)


def _how(source: str, model: str, kin: Kin) -> str:
    return f"{source}, model {one_line(model, 100) or 'not told'}, {_KIN[kin]}"


def describe(objections: Sequence[Objection]) -> list[str]:
    """Write objections, one to a line."""
    return [
        f"{one_line(one.path)}{f':{one.line}' if one.line else ''}: {one_line(one.message)}"
        for one in objections
    ]


def rejections(state: RunState, snapshot: ObjectId) -> list[str]:
    """Write what reviewers have against a snapshot; nothing if none rejected it."""
    out = []
    for one in state.work.rejections_of(snapshot):
        out.append(f"The {one.role} rejected it: {one_line(one.summary)}")
        out += [f"- {line}" for line in describe(one.objections)]
    return out


def obstacles(
    state: RunState, snapshot: ObjectId, *, require: Sequence[str], different: Sequence[str]
) -> tuple[str, ...]:
    """Say what of the roles keeps a passed snapshot from becoming a pull request.

    A rejection is answered by the role's review of another snapshot, or by a person who decided on this one
    since.
    """
    out = []
    for role in _JUDGES:
        review = state.work.review_of(role)
        if review is None:
            out += [f"the policy wants a review by the {role} role, and there is none"] * (role in require)
        elif review.snapshot != snapshot:
            if role in require or review.opinion is Opinion.REJECT:
                out.append(
                    f"the {role} reviewed {review.snapshot[:12]} ({review.opinion}), and not this snapshot"
                )
        elif review.opinion is Opinion.REJECT and state.awaits_merge_decision:
            out.append(f"the {role} rejected this snapshot: {one_line(review.summary, 200)}")
        if review is not None and role in different and review.kin is not Kin.DIFFERENT:
            out.append(f"the {role} was {_KIN[review.kin]}")
    if "tester" in different and tester_kin(state, snapshot) is not Kin.DIFFERENT:
        out.append(f"the tester was {_KIN[tester_kin(state, snapshot)]}")
    return tuple(out)
