"""Reads what rustc and clippy say as JSON: which rule, where, and what."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pev.errors import EnvironmentUnavailable
from pev.findings import Effect, Finding
from pev.gate.interface import Check, CheckJob, Checkout, FindingMaker, Toolbox
from pev.gate.outputs import source_line
from pev.gate.rust.toolbox import RustBox


@dataclass(frozen=True, slots=True)
class Row:
    """One message of the compiler; `path` is as it wrote it, "" if the message has no place."""

    rule: str
    level: str
    path: str
    line: int
    text: str


class RustCheck(Check):
    """A check that runs Rust's own tools."""

    needs_environment = True

    async def box(self, job: CheckJob, checkout: Checkout, *, crates: bool = True) -> RustBox:
        """Give Rust for a checkout. Raises EnvironmentUnavailable."""
        return rust_box(await job.bench.toolbox(job.side, checkout, job.project), crates=crates)


def rust_box(toolbox: Toolbox, *, crates: bool = True) -> RustBox:
    """Give a toolbox as one of Rust, with the project's crates. Raises EnvironmentUnavailable."""
    if not isinstance(toolbox, RustBox):
        raise EnvironmentUnavailable("this is no Rust", hint="Name the project's language in the policy.")
    if crates:
        toolbox.require_crates()
    return toolbox


def values(raw: bytes) -> Iterator[dict[str, Any]]:
    """Give the JSON objects of an output, one to a line; other lines are left out."""
    for line in raw.decode("utf-8", "replace").splitlines():
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def rows_of(raw: bytes) -> list[Row]:
    """Give the messages that cargo, or the compiler itself, wrote, each once."""
    out = []
    for value in values(raw):
        message = value.get("message") if value.get("reason") == "compiler-message" else value
        if isinstance(message, dict) and message.get("level") in ("error", "warning"):
            out += [row for row in (_row(message),) if row is not None]
    return list(dict.fromkeys(out))


def _row(message: dict[str, Any]) -> Row | None:
    """Read one message; what sums others up, and stands nowhere, is none."""
    spans = message.get("spans")
    own = (
        [one for one in spans if isinstance(one, dict) and one.get("is_primary")]
        if isinstance(spans, list)
        else []
    )
    if not own:
        return None
    code = message.get("code")
    rule = str(code.get("code")) if isinstance(code, dict) else "rustc"
    path, line = str(own[0].get("file_name", "")), own[0].get("line_start")
    text = str(message.get("message"))
    return Row(rule, str(message["level"]), path, line if isinstance(line, int) else 1, text)


def finding(
    make: FindingMaker, job: CheckJob, row: Row, checkout: Checkout, *, remedy: str, effect: Effect
) -> Finding | None:
    """Make the finding of a row; None if it is not about a source of the repository."""
    path = job.repo_path(row.path, checkout)
    if path.startswith("/") or not (checkout.root / path).is_file():
        return None
    # a file is formatted or not: where it first differs is not part of the finding's name
    named = f"{row.text} {source_line(checkout.root / path, row.line)}"
    named = row.rule if row.rule == "unformatted" else named
    return make.make(
        row.rule,
        f"{row.text} [{row.rule}]",
        path=path,
        line=row.line,
        context=named,
        effect=effect,
        remedy=remedy,
    )


def lock_words(folder: Path) -> list[str]:
    """Give the option that keeps cargo to a lock file, where there is one."""
    return ["--locked"] if (folder / "Cargo.lock").is_file() else []
