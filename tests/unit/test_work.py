"""What models did in a run: the part of its state that a fold makes, and when a budget is used up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import TrailCorrupt
from pev.events import Kind
from pev.facts import GateState
from pev.findings import Outcome
from pev.models import Digest, ObjectId, Role, Source
from pev.phases import ASKS, Phase, next_phase, used_up
from pev.run import FOLDED, TERMINAL, RunState, Status, fold
from pev.work import WORKED, Budget, Opinion, Review, Spent, Work, work_after
from support.plans import event, opened


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in WORKED])
def test_other_events_leave_it_as_it_is(kind: Kind) -> None:
    """Whoever tells a state again reads only the kinds that are named."""
    work = Work(ready=True, tried=2)
    assert work_after(work, event(kind, {})) == work


def test_every_kind_that_changes_it_is_folded_and_may_not_be_erased() -> None:
    assert WORKED <= FOLDED
    with pytest.raises(TrailCorrupt, match="was erased"):
        fold([event(Kind.RUN_OPENED, opened()), event(Kind.TESTS_SUBMITTED, None, 2)])


def _answered(version: int, **more: object) -> dict[str, object]:
    return {"tokens": 10, "seconds": 1.5, "version": version, **more}


def _state(*bodies: tuple[Kind, dict[str, object]]) -> RunState:
    events = [event(Kind.RUN_OPENED, opened())]
    events += [event(kind, body, n) for n, (kind, body) in enumerate(bodies, start=2)]
    state = fold(events)
    assert state is not None
    return state


BUDGET = {"calls": 2, "tokens": 1_000, "seconds": 100.0}
STARTED = (Kind.LOOP_STARTED, {"budget": BUDGET, "attempts": 2, "judges": ["tester"]})


def test_what_models_cost_is_counted_and_bounded() -> None:
    once = _state(STARTED, (Kind.MODEL_ANSWERED, _answered(1)))
    assert once.work.spent == Spent(calls=1, tokens=10, seconds=1.5)
    assert once.work.exceeded == ""
    twice = _state(STARTED, (Kind.MODEL_ANSWERED, _answered(1)), (Kind.MODEL_ANSWERED, _answered(2)))
    assert twice.work.exceeded == "2 of 2 model calls"
    tokens = _state(STARTED, (Kind.MODEL_ANSWERED, _answered(1, tokens=1_000)))
    assert tokens.work.exceeded == "1000 of 1000 model tokens"
    assert "budget" in used_up(tokens)


def test_without_a_loop_nothing_is_bounded() -> None:
    state = _state((Kind.MODEL_ANSWERED, _answered(1, tokens=10**9)))
    assert state.work.exceeded == ""
    assert next_phase(state) is Phase.PLAN


def test_each_role_has_its_newest_review() -> None:
    assert Work().review_of(Role.SECURITY) is None


_REVIEWS = st.lists(
    st.tuples(
        st.sampled_from(["reviewer", "security"]), st.sampled_from(["ACCEPT", "REJECT"]), st.booleans()
    ),
    max_size=4,
)


@given(
    status=st.sampled_from(list(Status)),
    ready=st.booleans(),
    tried=st.integers(0, 4),
    judges=st.sets(st.sampled_from(["tester", "reviewer", "security"])),
    reviews=_REVIEWS,
    spent=st.integers(0, 2),
)
def test_nothing_ships_that_is_not_passed_and_judged_by_every_role_of_the_loop(
    status: Status,
    ready: bool,
    tried: int,
    judges: set[str],
    reviews: list[tuple[str, str, bool]],
    spent: int,
) -> None:
    """Whatever a state holds, a phase follows; and only one state leads to a pull request.

    With a budget that is used up no model is asked again once there is a plan.
    """
    here, other = ObjectId("a" * 40), ObjectId("b" * 40)
    given_reviews = tuple(
        Review(
            role=Role(role),
            opinion=Opinion(said),
            summary="s",
            snapshot=here if same else other,
            source=Source.PROVIDER,
            event=n,
        )
        for n, (role, said, same) in enumerate(reviews)
    )
    cost = {"spent": Spent(calls=spent), "budget": Budget(calls=2)}
    work = Work(ready=ready, tried=tried, judges=tuple(judges), reviews=given_reviews, **cost)
    gate = GateState(attempt=1, snapshot=here, key=Digest("f" * 64), outcome=Outcome.PASSED)
    state = _state().model_copy(update={"status": status, "work": work, "gates": (gate,)})
    phase = next_phase(state)
    newest = {one.role: one for one in given_reviews}
    if phase is Phase.SHIP:
        assert status is Status.PASSED
        for role in judges - {"tester"}:
            assert newest[Role(role)].snapshot == here
        assert not any(one.opinion is Opinion.REJECT and one.snapshot == here for one in newest.values())
    if phase is Phase.AUTHOR:
        assert status in (Status.EXECUTING, Status.FAILED)
        assert tried < state.max_attempts
    if phase in ASKS - {Phase.PLAN}:
        assert spent < 2
    if status in TERMINAL:
        assert phase is Phase.DONE
