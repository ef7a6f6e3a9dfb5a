"""Runs biome, which formats and lints, and reads what it says in the form of a code quality report."""

import json
from pathlib import Path
from typing import Any, Final

from pev.findings import Effect
from pev.gate.interface import CheckJob, Checkout, Measured
from pev.gate.javascript.packages import MANIFEST, declared, read_json
from pev.gate.javascript.tool import bin_of, start, tools_of
from pev.gate.javascript.toolbox import NodeBox
from pev.gate.outputs import listed, source_line, unusable
from pev.proc import Ending

_PACKAGE: Final = "@biomejs/biome"
_SERIOUS: Final = {"major", "critical", "blocker"}


def uses_biome(job: CheckJob, checkout: Checkout, box: NodeBox, other: str) -> bool:
    """Say whether a project is looked through by biome: it locks it, and does not ask for the other tool."""
    folders = (job.folder(checkout), checkout.root)
    asked = {name for folder in folders for name in declared(_manifest(folder / MANIFEST))}
    return box.has(_PACKAGE) and not (other in asked and box.has(other))


def _manifest(path: Path) -> dict[str, Any]:
    return (read_json(path.read_bytes()) or {}) if path.is_file() else {}


async def measure_biome(
    check: str,
    verb: str,
    job: CheckJob,
    checkout: Checkout,
    box: NodeBox,
    paths: tuple[str, ...],
    remedy: str,
) -> Measured:
    """Run `biome format` or `biome lint` over some paths, all of the project if there are none."""
    program = bin_of(box, _PACKAGE, "biome")
    words = [
        verb,
        "--reporter=gitlab",
        "--colors=off",
        "--max-diagnostics=none",
        "--vcs-use-ignore-file=false",
    ]
    done = await start(job, checkout, box, program, [*words, *(paths or (".",))])
    rows = _rows(done.stdout) if done.ending is Ending.EXITED else None
    if rows is None or (done.code not in (0, 1)) or (done.code == 1 and not rows):
        return unusable("biome", done, job.clock)
    make = job.maker(check)
    found = []
    for row in rows:
        place = row.get("location") or {}
        path = job.repo_path(str(place.get("path") or ""), checkout)
        line = (place.get("lines") or {}).get("begin")
        rule = str(row.get("check_name") or verb)
        context = (
            rule
            if rule == "format"
            else f"{row.get('description')} {source_line(checkout.root / path, line)}"
        )
        found.append(
            make.make(
                rule,
                f"{rule}: {row.get('description')}",
                path=path,
                line=line if isinstance(line, int) and rule != "format" else None,
                context=context,
                remedy=remedy,
                effect=Effect.BLOCKS if row.get("severity") in _SERIOUS else Effect.NOTES,
            )
        )
    return Measured(
        findings=tuple(found),
        reason=f"{len(found)} findings",
        tools=tools_of(box, _PACKAGE),
        log=listed(found, done.stderr),
    )


def _rows(raw: bytes) -> list[dict[str, Any]] | None:
    try:
        rows = json.loads(raw or b"[]")
    except ValueError:
        return None
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else None
