"""Plans and events for tests."""

from typing import Any

from pev.events import Actor, Event, Kind
from pev.models import Digest, Role, StreamId
from pev.plan import Plan

PLAN: dict[str, Any] = {
    "goal": "Add a slugify function",
    "approach": "One pure function in its own module.",
    "non_goals": ["Transliteration"],
    "steps": [
        {"id": "s1", "description": "Write slugify", "files_touched": ["src/app/slug.py"], "risk": "low"},
        {"id": "s2", "description": "Test it", "files_touched": ["tests/"], "risk": "low"},
    ],
    "acceptance_criteria": [{"id": "c1", "description": "slugify('A b') is 'a-b'"}],
}


def plan(**changes: Any) -> Plan:
    """Give a valid plan, with some fields replaced."""
    return Plan.model_validate({**PLAN, **changes})


def opened(**changes: Any) -> dict[str, Any]:
    """Give the payload of a run.opened event."""
    return {
        "repo": "0" * 12,
        "repo_name": "project",
        "task": "Add slugify",
        "trusted_ref": "main",
        "trusted_commit": "a" * 40,
        "base_ref": "main",
        "base_commit": "a" * 40,
        "policy_hash": "b" * 64,
        "policy_source": "detected",
        "max_attempts": 3,
        **changes,
    }


def event(kind: Kind, payload: dict[str, Any] | None, version: int = 1) -> Event:
    """Give an event of the stream run:0a0a0a0a."""
    return Event(
        seq=version - 1,
        stream=StreamId("run:0a0a0a0a"),
        version=version,
        kind=kind,
        at=f"2026-01-01T00:00:{version:02d}.000000Z",
        actor=Actor(principal="local:ada", role=Role.PERSON),
        payload_digest=Digest("c" * 64),
        payload=payload,
    )
