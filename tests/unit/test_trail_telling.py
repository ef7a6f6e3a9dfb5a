"""Events in sentences: every kind has one, and no payload, whoever wrote it, breaks what shows it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.events import Actor, Event, Kind
from pev.models import SERVER_STREAM, Channel, Digest, Host, Role, RunId
from pev.trail.store import Trail
from pev.trail.telling import KINDS, MAX_TOLD, name_actor, tell
from support.trail_events import record_run

_ACTOR = Actor(principal="local:ada", role=Role.AUTHOR)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    [
        *("approval", "argv", "base_commit", "checks", "code", "ending", "event", "held_out", "outcome"),
        *("pending", "plan", "pr", "query", "reason", "review", "seconds", "tool", "trial", "why"),
    ]
)


def _event(kind: Kind, payload: dict[str, Any] | None) -> Event:
    return Event(
        seq=0,
        stream=SERVER_STREAM,
        version=1,
        kind=kind,
        at="2026-01-01T00:00:00.000000Z",
        actor=_ACTOR,
        payload_digest=Digest("0" * 64),
        payload=payload,
    )


def test_every_kind_has_a_sentence() -> None:
    assert frozenset(Kind) == KINDS


@given(st.sampled_from(Kind), st.dictionaries(_NAMES, _JSON, max_size=6))
def test_a_payload_of_any_form_is_told_in_one_harmless_line(kind: Kind, payload: dict[str, Any]) -> None:
    """Somebody who can write the file must not be able to keep a person from reading what is there."""
    told = tell(_event(kind, payload))
    assert 0 < len(told) <= MAX_TOLD
    assert "\n" not in told
    assert "\x1b" not in told


def test_what_is_foreign_cannot_pass_for_another_line_or_command_a_terminal() -> None:
    told = tell(_event(Kind.RUN_ABANDONED, {"reason": "no\n\x1b[2J9 local:root decided\u202e"}))
    assert told == "ended the run without a pull request: no 9 local:root decided\\u202e"


def test_an_erased_payload_is_told_as_erased() -> None:
    assert tell(_event(Kind.COMMAND_RAN, None)) == "command.ran: its payload was erased"


def test_a_run_reads_as_a_story(tmp_path: Path) -> None:
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        told = [tell(one) for one in trail.read(record_run(trail, RunId("0000000a")))]
    assert told[0] == "opened the run in app, from refs/heads/main at c0ffee00c0ff: divide by zero"
    assert "submitted revision 1 of the plan (host-submitted): Division by zero gives a clear error" in told
    assert "decided on the plan: approve through terminal (person-present), after 32 s: fine" in told
    assert "ended the gate: FAILED (lint FAILED, 1 passed)" in told
    assert told[-1] == "opened the pull request agent/0a1b2c3d"


@pytest.mark.parametrize(
    ("host", "channel", "name"),
    [
        (Host(), None, "local:ada (author)"),
        (Host(name="claude-code", version="2"), None, "local:ada (author) through claude-code 2"),
        (Host(name="pev"), Channel.PAGE, "local:ada (author) through pev, page"),
    ],
)
def test_an_actor_is_named_with_role_and_way(host: Host, channel: Channel | None, name: str) -> None:
    assert name_actor(_ACTOR.model_copy(update={"host": host, "channel": channel})) == name
