"""Facets: what an event is found by, whatever its payload holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.events import Event, Kind
from pev.models import Digest, StreamId
from pev.trail.facets import findings_of, tags_of
from support.trail_events import AUTHOR, FINDING, PLAN


def stored(payload: dict[str, Any] | None, stream: str = "run:00000001") -> Event:
    return Event(
        seq=1,
        stream=StreamId(stream),
        version=1,
        kind=Kind.GATE_FINISHED,
        at="2026-01-01T00:00:00.000000Z",
        actor=AUTHOR,
        payload_digest=Digest("0" * 64),
        payload=payload,
    )


def own(payload: dict[str, Any] | None) -> set[str]:
    """The tags that come from the payload alone."""
    return set(tags_of(stored(payload), "app-1")) - set(tags_of(stored({}), "app-1"))


def test_every_event_is_found_by_stream_kind_actor_and_repository() -> None:
    """With or without a payload, and without a repository too."""
    always = ["kind:gate.finished", "principal:local:ada", "role:author"]

    assert tags_of(stored(None), "app-1") == sorted([*always, "repo:app-1", "stream:run:00000001"])
    assert tags_of(stored(None, "server"), None) == sorted([*always, "stream:server"])


def test_tool_check_outcome_and_the_checks_of_a_gate_are_sides() -> None:
    """One event can tell of several checks."""
    payload = {"tool": "run_gate", "outcome": "FAILED", "checks": [{"check": "lint"}, {"check": "types"}, 7]}

    assert own(payload) == {"tool:run_gate", "outcome:FAILED", "check:lint", "check:types"}


def test_a_path_is_found_by_itself_and_by_every_folder_above() -> None:
    """Wherever in the payload it stands, each once."""
    payload = {
        "path": "src/app/calc.py",
        "plan": PLAN.model_dump(mode="json"),
        "changed_files": ["README.md", "docs/"],
        "deep": [{"findings": [{"path": "src/app/calc.py"}]}],
    }

    assert own(payload) == {
        "path:src/app/calc.py",
        "path:src/app/",
        "path:src/",
        "path:README.md",
        "path:docs/",
    }


@pytest.mark.parametrize(
    "payload",
    [
        {"path": "/etc/passwd"},
        {"path": "../x"},
        {"path": ".git/config"},
        {"path": ""},
        {"path": 7},
        {"path": {"file": "x.py"}},
        {"argv": ["cat", "src/app/calc.py"]},
        {"tool": 1, "check": None, "outcome": ["x"], "checks": {"check": "lint"}, "findings": "none"},
    ],
)
def test_what_has_another_form_is_passed_over(payload: dict[str, Any]) -> None:
    """A side that nobody could ask for is no reason to lose the event."""
    assert own(payload) == set()
    assert list(findings_of(payload)) == []


def test_findings_are_read_with_what_makes_them_known_again() -> None:
    """More fields are passed over; a finding without its identity is no finding."""
    payload = {"findings": [{**FINDING, "severity": "error"}, {"rule": "F401"}, None, {**FINDING, "line": 0}]}

    (one,) = findings_of(payload)

    assert one.model_dump(exclude={"message"}) == FINDING
    assert list(findings_of(None)) == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["path", "files", "tool", "check", "checks", "findings", "outcome", "line", "x"]),
            inner,
        )
    ),
    max_leaves=15,
)


@pytest.mark.long_search
@given(st.dictionaries(st.sampled_from(["path", "checks", "findings", "tool", "result"]), anything))
def test_no_payload_breaks_the_reading(payload: dict[str, Any]) -> None:
    """The log is the truth: a projection must be able to read whatever it holds."""
    tags = tags_of(stored(payload), "app-1")

    assert tags == sorted(set(tags))
    assert all(isinstance(one, str) for one in tags)
    list(findings_of(payload))
