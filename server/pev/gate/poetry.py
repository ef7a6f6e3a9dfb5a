"""Reads the dependencies of a Poetry project as PEP 508 lines.

Poetry has signs of its own for versions: `^1.2` is everything up to the next first number that is not 0,
`~1.2` up to the next second one. What comes from elsewhere than an index is given as a direct reference.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_SIGNED: Final = re.compile(r"([\^~])\s*(\d+(?:\.\d+)*)(.*)")
_ELSEWHERE: Final = ("git", "url", "path", "file")


def poetry_lines(poetry: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Give each dependency with the name of its group; None is the project's own."""
    yield from ((None, line) for line in _lines(poetry.get("dependencies")))
    yield from (("dev", line) for line in _lines(poetry.get("dev-dependencies")))
    groups = poetry.get("group")
    for name, group in (groups if isinstance(groups, dict) else {}).items():
        if isinstance(group, dict):
            yield from ((name, line) for line in _lines(group.get("dependencies")))


def _lines(table: Any) -> Iterator[str]:
    for name, value in (table if isinstance(table, dict) else {}).items():
        if name.lower() != "python":
            for one in value if isinstance(value, list) else [value]:
                yield _line(name, one if isinstance(one, dict) else {"version": one})


def _line(name: str, value: Mapping[str, Any]) -> str:
    origin = next((f"{key} {value[key]}" for key in _ELSEWHERE if value.get(key)), "")
    if origin:
        return f"{name} @ {origin.partition(' ')[2]}"
    given = value.get("extras")
    extras = f"[{','.join(map(str, given))}]" if isinstance(given, list) and given else ""
    marker = f" ; {value['markers']}" if value.get("markers") else ""
    return f"{name}{extras}{specifier(str(value.get('version') or '*'))}{marker}"


def specifier(constraint: str) -> str:
    """Give a version constraint in the words of PEP 440; alternatives become no constraint at all."""
    text = constraint.strip()
    if "|" in text or text in ("", "*"):
        return ""
    return ",".join(_one(part.strip()) for part in re.split(r"\s*,\s*|\s+(?=[<>=!~^])", text) if part.strip())


def _one(part: str) -> str:
    if signed := _SIGNED.fullmatch(part):
        numbers = [int(one) for one in signed[2].split(".")]
        at = 0 if len(numbers) == 1 else 1
        if signed[1] == "^":
            at = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
        upper = [*numbers[:at], numbers[at] + 1]
        return f">={signed[2]}{signed[3]},<{'.'.join(map(str, upper))}"
    return part if part[0] in "<>=!~" else f"=={part}"
