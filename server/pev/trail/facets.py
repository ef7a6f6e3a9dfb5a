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

from pev.events import Event
from pev.models import Digest, Model
from pev.plan import check_repo_path

MAX_SIDE: Final = 1_000
_OWN_SIDES: Final = ("tool", "check", "outcome")
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
    who = event.actor.role.value, event.actor.principal
    base = base_tags(event.stream, event.kind.value, who, repo)
    return sorted({*base, *payload_tags(event.payload or {})})


def base_tags(stream: str, kind: str, who: tuple[str, str], repo: str | None) -> set[str]:
    """Give the sides that an event has whatever its payload says; `who` is role and principal."""
    role, principal = who
    sides = [
        ("stream", stream),
        ("kind", kind),
        ("role", role),
        ("principal", principal),
        ("repo", repo),
    ]
    return {tag(side, value) for side, value in sides if value is not None and 0 < len(value) <= MAX_SIDE}


def payload_tags(payload: dict[str, Any], *, has_paths: bool = True) -> set[str]:
    """Give the sides that a payload tells of; it is not searched for paths unless `has_paths`."""
    tags: set[str] = set()
    for side in _OWN_SIDES:
        if side in payload and _is_side(payload[side]):
            tags.add(f"{side}:{payload[side]}")
    for one in _objects(payload.get("checks")):
        if _is_side(one.get("check")):
            tags.add(tag("check", one["check"]))
    if has_paths:
        found: list[str] = []
        _collect_paths(payload, found)
        for path in found:
            tags.update(_path_tags(path))
    return tags


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


def _is_side(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_SIDE


@lru_cache(maxsize=16_384)
def _path_tags(path: str) -> tuple[str, ...]:
    """Give the tags of a path and of every folder above it; none if it is no path in a repository."""
    try:
        clean = check_repo_path(path)
    except ValueError:
        return ()
    folders = [clean[: at + 1] for at, char in enumerate(clean[:-1]) if char == "/"]
    return tuple(tag("path", one) for one in (clean, *folders) if len(one) <= MAX_SIDE)


def _collect_paths(value: Any, into: list[str], *, named: bool = False) -> None:
    """Gather every text that stands under the name of a path, however deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if key in _PATH_FIELDS:
                    into.append(item)
            elif isinstance(item, dict | list):
                _collect_paths(item, into, named=key in _PATH_FIELDS)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                if named:
                    into.append(item)
            elif isinstance(item, dict | list):
                _collect_paths(item, into, named=named)
