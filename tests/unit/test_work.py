"""What models did in a run: the part of its state that a fold makes, and when a budget is used up."""

import pytest

from pev.errors import TrailCorrupt
from pev.events import Kind
from pev.models import Role
from pev.phases import Phase, next_phase, used_up
from pev.run import FOLDED, RunState, fold
from pev.work import WORKED, Spent, Work, work_after
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
