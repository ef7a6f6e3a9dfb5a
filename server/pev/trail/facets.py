"""What an event can be found by: its tags, and the findings that its payload tells of.

The rule for payloads: `tool`, `check` and `outcome` stand at the top; the checks of a gate are the objects of
the list `checks`, and findings those of the list `findings`. Paths stand anywhere, under `path`, `paths`,
`files`, `changed_files` or `files_touched`, relative to the repository.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from pydantic import Field, ValidationError

from pev.events import Actor, Event, Kind
from pev.models import Digest, Model
from pev.plan import check_repo_path

MAX_SIDE: Final = 1_000
_PATH_FIELDS: Final = frozenset({"path", "paths", "files", "changed_files", "files_touched"})
PATH_FIELD: Final = re.compile(rb'"(?:paths?|files|changed_files|files_touched)":')
"""What a payload's canonical bytes hold if it tells of a path."""


class Sighting(Model):
    """A finding as an event tells of it: enough to know it again."""

    check: str
    rule: str
    path: str | None = None
    line: int | None = Field(default=None, ge=1)
    message: str = ""
    fingerprint: Digest


def tag(side: str, value: str) -> str:
    """Write one side of an event, so that all sides share one index."""
    return f"{side}:{value}"


def tags_of(event: Event, repo: str | None) -> list[str]:
    """Give the sides that an event is found by, sorted. What has another form is passed over.

    A path comes with every folder above it, ending in `/`.
    """
    base = base_tags(event.stream, event.kind, event.actor, repo)
    return sorted({*base, *payload_tags(event.payload or {})})


def base_tags(stream: str, kind: Kind, actor: Actor, repo: str | None) -> set[str]:
    """Give the sides that an event has whatever its payload says."""
    sides = [
        ("stream", stream),
        ("kind", kind.value),
        ("role", actor.role.value),
        ("principal", actor.principal),
        ("repo", repo),
    ]
    return {tag(side, value) for side, value in sides if value is not None and 0 < len(value) <= MAX_SIDE}


def payload_tags(payload: dict[str, Any], *, has_paths: bool = True) -> set[str]:
    """Give the sides that a payload tells of; it is not searched for paths unless `has_paths`."""
    sides: list[tuple[str, Any]] = [(side, payload.get(side)) for side in ("tool", "check", "outcome")]
    if "checks" in payload:
        sides += [("check", one.get("check")) for one in _objects(payload["checks"])]
    if has_paths:
        sides += [("path", one) for path in _paths(payload) for one in _with_folders(path)]
    return {
        tag(side, value) for side, value in sides if isinstance(value, str) and 0 < len(value) <= MAX_SIDE
    }


def findings_of(payload: dict[str, Any] | None) -> Iterator[Sighting]:
    """Give the findings that a payload tells of; what has another form is passed over."""
    for item in _objects((payload or {}).get("findings")):
        known = {name: item[name] for name in Sighting.model_fields if name in item}
        try:
            yield Sighting.model_validate(known)
        except ValidationError:
            continue


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@lru_cache(maxsize=16_384)
def _with_folders(path: str) -> tuple[str, ...]:
    try:
        clean = check_repo_path(path)
    except ValueError:
        return ()
    return (clean, *(clean[: at + 1] for at, char in enumerate(clean[:-1]) if char == "/"))


def _paths(value: Any, *, named: bool = False) -> Iterator[str]:
    if isinstance(value, str):
        if named:
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, named=key in _PATH_FIELDS)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, named=named)
