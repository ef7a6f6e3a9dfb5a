"""Reads what a check of a repository's own says, in the formats that tools of any language write.

SARIF 2.1.0, JUnit's XML, ruff's and mypy's JSON, or lines that a regular expression takes apart. What does
not parse is an error, never an empty answer.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

_MAX_FINDINGS: Final = 10_000
_MAX_LINE: Final = 2_000


class Format(StrEnum):
    """How the output of a command is read."""

    SARIF = "sarif"
    JUNIT = "junit"
    RUFF_JSON = "ruff-json"
    MYPY_JSON = "mypy-json"
    REGEX = "regex"


class Said(NamedTuple):
    """One thing that a tool said; `path` is as the tool wrote it."""

    rule: str
    message: str
    path: str | None = None
    line: int | None = None


class Unreadable(ValueError):
    """The output is not of the format that was promised."""


def read_output(raw: bytes, form: Format, pattern: str = "") -> list[Said]:
    """List what an output says, at most 10,000 things. Raises Unreadable."""
    try:
        found = _regex(raw, pattern) if form is Format.REGEX else _READERS[form](raw)
        out = []
        for one in found:
            out.append(one)
            if len(out) > _MAX_FINDINGS:
                raise Unreadable(f"it says more than {_MAX_FINDINGS} things")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, expat.ExpatError) as exc:
        said = str(exc) if isinstance(exc, Unreadable) else f"{type(exc).__name__}: {exc}"
        raise Unreadable(f"the output is no {form}: {said[:200]}") from exc
    return out


def _line(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _sarif(raw: bytes) -> Iterator[Said]:
    """Read SARIF 2.1.0: results of all runs that are not suppressed, of level warning and error."""
    for run in json.loads(raw)["runs"]:
        for result in run.get("results") or ():
            if result.get("suppressions") or result.get("level", "warning") in ("none", "note"):
                continue
            if result.get("kind", "fail") != "fail":
                continue
            places = result.get("locations") or [{}]
            place = places[0].get("physicalLocation") or {}
            uri = (place.get("artifactLocation") or {}).get("uri")
            message = result["message"]
            yield Said(
                str(result.get("ruleId") or (result.get("rule") or {}).get("id") or "sarif"),
                str(message.get("text") or message.get("markdown") or message.get("id") or ""),
                None if uri is None else unquote(urlsplit(str(uri)).path),
                _line((place.get("region") or {}).get("startLine")),
            )


def _junit(raw: bytes) -> Iterator[Said]:
    """Read JUnit's XML: failures and errors of test cases. Entities are refused, so none is expanded."""
    found: list[Said] = []
    case: dict[str, str] = {}
    count = 0
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise Unreadable("it declares entities")

    def start(name: str, given: dict[str, str]) -> None:
        nonlocal count
        if name == "testcase":
            count += 1
            case.clear()
            case.update(given)
        elif name in ("failure", "error"):
            whole = ".".join(filter(None, (case.get("classname"), case.get("name")))) or name
            line = case.get("line", "")
            found.append(
                Said(
                    "test-failed",
                    f"{whole}: {given.get('message') or given.get('type') or name}",
                    case.get("file"),
                    int(line) if line.isdigit() and int(line) else None,
                )
            )

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.Parse(raw, True)
    if not count:
        raise Unreadable("it names no test case")
    yield from found


def _ruff(raw: bytes) -> Iterator[Said]:
    for row in json.loads(raw):
        place = row.get("location") or {}
        yield Said(
            str(row.get("code") or "syntax"),
            str(row["message"]),
            str(row["filename"]),
            _line(place.get("row")),
        )


def _mypy(raw: bytes) -> Iterator[Said]:
    for text in raw.decode("utf-8").splitlines():
        if text.strip():
            row = json.loads(text)
            if row.get("severity", "error") == "error":
                code = str(row.get("code") or "mypy")
                yield Said(code, str(row["message"]), str(row["file"]), _line(row.get("line")))


def _regex(raw: bytes, pattern: str) -> Iterator[Said]:
    """Read lines: the groups `path`, `line`, `rule` and `message` of each match, all but one optional."""
    form = re.compile(pattern)
    for text in raw.decode("utf-8", "replace").splitlines():
        match = form.search(text[:_MAX_LINE])
        if match is not None:
            given: Mapping[str, str | None] = match.groupdict()
            line = given.get("line") or ""
            yield Said(
                given.get("rule") or "line",
                given.get("message") or match[0],
                given.get("path"),
                int(line) if line.isdigit() and int(line) else None,
            )


_READERS: Final[Mapping[Format, Callable[[bytes], Iterable[Said]]]] = {
    Format.SARIF: _sarif,
    Format.JUNIT: _junit,
    Format.RUFF_JSON: _ruff,
    Format.MYPY_JSON: _mypy,
}


def relative(path: str, root: str) -> str:
    """Give a tool's path relative to a checkout whose absolute path is `root`; others stay as they are."""
    plain = PurePosixPath(path.removeprefix("file://"))
    return plain.relative_to(root).as_posix() if plain.is_relative_to(root) else plain.as_posix()
