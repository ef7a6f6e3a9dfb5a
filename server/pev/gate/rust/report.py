"""Reads what test programs of Rust wrote: which tests there are, and what became of each.

The text comes from the process under test, so it is held against the list of tests that the same program gave
before, its own count, and its exit code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from pev.gate.testing_runs import Result
from pev.proc import Completed, Ending
from pev.text import one_line

_LISTED: Final = re.compile(r"^(?P<name>.+): test$")
_OUTCOME: Final = re.compile(
    r"^test (?P<name>.+?)(?: - should panic| - compile(?: fail)?)* \.\.\. (?P<word>ok|FAILED|ignored)\b"
)
_SUM: Final = re.compile(r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored;")
_PANIC: Final = re.compile(r"^thread '.*' (?:\(\d+\) )?panicked at (?P<path>[^\n:]+):(?P<line>\d+):\d+:$")
_SECTION: Final = re.compile(r"^---- (?P<name>.+?)(?: stdout)? ----$")
_LINE: Final = re.compile(r" \(line \d+\)$")
_RESULTS: Final = {"ok": Result.PASSED, "FAILED": Result.FAILED, "ignored": Result.SKIPPED}


@dataclass(frozen=True, slots=True)
class Why:
    """Why a test failed: one line, and where it panicked, relative to the package or the workspace."""

    reason: str
    path: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What one program said. `fault` is why it cannot be believed, or None."""

    results: Mapping[str, Result] = field(default_factory=dict)
    why: Mapping[str, Why] = field(default_factory=dict)
    fault: str | None = None


def listed(raw: bytes) -> list[str]:
    """Give the tests that a program lists."""
    found = (_LISTED.match(line) for line in raw.decode("utf-8", "replace").splitlines())
    return [one["name"] for one in found if one]


def read_said(done: Completed, expected: list[str] | None) -> Said:
    """Read what a test program wrote; `expected` are the tests that it was to run, None if nobody knows."""
    text = done.stdout.decode("utf-8", "replace")
    results: dict[str, Result] = {}
    sums = [0, 0, 0]
    for line in text.splitlines():
        if (found := _OUTCOME.match(line)) is not None:
            name = found["name"]
            if results.get(name) is not Result.FAILED:
                results[name] = _RESULTS[found["word"]]
        elif (told := _SUM.match(line)) is not None:
            sums = [have + int(more) for have, more in zip(sums, told.groups(), strict=True)]
    return Said(results, _reasons(text), _fault(done, results, sums, expected))


def _fault(
    done: Completed, results: Mapping[str, Result], sums: list[int], expected: list[str] | None
) -> str | None:
    if done.ending is not Ending.EXITED:
        return ""
    failed = any(one is Result.FAILED for one in results.values())
    if expected is not None and (lost := sorted(set(expected) - results.keys())):
        return f"the test process ended by itself, with exit code {done.code}, and said nothing of {lost[0]}"
    if expected is not None and (more := sorted(results.keys() - set(expected))):
        return f"the report names {more[0]}, which is no test of the program"
    counted = [sum(one is kind for one in results.values()) for kind in _RESULTS.values()]
    if sums != counted:
        return f"the report counts {sums[0]} passed tests and {sums[1]} failed ones, and names others"
    if failed == (done.code == 0):
        return f"the report names {'failures' if failed else 'none'}, the exit code is {done.code}"
    return None


def _reasons(text: str) -> dict[str, Why]:
    """Give why tests failed, from the sections that repeat what each of them wrote."""
    out: dict[str, Why] = {}
    name, lines = "", []
    for line in [*text.splitlines(), "---- end ----"]:
        section = _SECTION.match(line)
        if section is None:
            lines.append(line)
            continue
        if name:
            out[name] = _why(lines)
        name, lines = section["name"], []
    return out


def _why(lines: list[str]) -> Why:
    for number, line in enumerate(lines):
        if (found := _PANIC.match(line)) is not None:
            said = [one.strip() for one in lines[number + 1 : number + 4] if one.strip()]
            reason = " ".join(one for one in said if not one.startswith(("note:", "stack backtrace", "----")))
            return Why(one_line(reason) or "it panicked", found["path"], int(found["line"]))
    telling = [line.strip() for line in lines if line.strip()]
    return Why(one_line(telling[0]) if telling else "no message")


def id_of_path(path: str, name: str) -> str:
    """Give the id of a test that is written in a file, "" if that cannot be told.

    Tests of a library or of a program are named by its folder of sources and by their modules; those of a
    file of tests by that file.
    """
    pure = PurePosixPath(path)
    parts = list(pure.parts)
    if "src" in parts[:-1]:
        at = len(parts) - 1 - parts[::-1].index("src", 1)
        inner = [*parts[at + 1 : -1], pure.stem]
        if inner[0] == "bin" and len(inner) == 2:
            return f"{path}::{name}"
        modules = inner[:-1] if inner[-1] in ("mod", "lib", "main") else inner
        return "::".join(["/".join(parts[: at + 1]), *modules, name])
    if len(parts) > 1 and parts[-2] == "tests":
        return f"{path}::{name}"
    return f"{path}::{name}" if parts[-1] == "main.rs" and "tests" in parts[-3:-2] else ""


def id_of_target(source: str, kinds: list[str], name: str) -> str:
    """Give the id of a test that the program of a target reports; `source` is relative to the project."""
    pure = PurePosixPath(source)
    if pure.parent.name == "src" and not {"test", "bench", "example"} & set(kinds):
        return f"{pure.parent.as_posix()}::{name}"
    return f"{source}::{name}"


def id_of_doc(name: str) -> str:
    """Give the id of a test in a comment: without its line, which moves."""
    return f"doc {_LINE.sub('', name)}"
