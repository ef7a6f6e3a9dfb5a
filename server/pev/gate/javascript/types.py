"""The check `types`: what does the TypeScript compiler say, with the packages that the change locks?

The compiler is the trusted one, and so is its configuration. It writes nothing, and runs nothing of the tree.
"""

import json
import re
from pathlib import Path
from typing import Any, ClassVar, Final

from anyio import to_thread

from pev.findings import Effect, Finding, Severity
from pev.gate.interface import CheckJob, Checkout, FindingMaker, Measured, Side
from pev.gate.javascript.face import JAVASCRIPT
from pev.gate.javascript.packages import read_json
from pev.gate.javascript.slack import casts
from pev.gate.javascript.tool import NodeTool, bin_of, start, tools_of
from pev.gate.javascript.toolbox import NodeBox
from pev.gate.outputs import ended_badly, listed, private_name, source_line, unusable
from pev.gate.testing_room import is_product
from pev.proc import Ending

_ROW: Final = re.compile(r"^(?P<path>[^\s(][^(]*)\((?P<line>\d+),\d+\): error (?P<code>TS\d+): (?P<text>.*)$")
_GLOBAL: Final = re.compile(r"^error (TS\d+): (.*)$")
_CONFIG: Final = "tsconfig.json"
_TYPED: Final = (".ts", ".tsx", ".mts", ".cts")
_MOST: Final = 50
_COMMENTS: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMAS: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')
_REMEDY: Final = "Correct the types; casts and comments only move the error."


class Types(NodeTool):
    """`tsc --noEmit` for the project's configuration, and for each that it refers to."""

    name = "types"
    weight: ClassVar[int] = 60
    runs_code: ClassVar[bool] = False
    suffix: ClassVar[str] = ".ts"
    planted: ClassVar[str] = 'export const planted: number = "no number";\n'

    async def measure(
        self, job: CheckJob, checkout: Checkout, box: NodeBox, paths: tuple[str, ...]
    ) -> Measured:
        """List the errors that the compiler reports."""
        folder = job.folder(checkout)
        configs = configs_of(folder)
        if not configs:
            return Measured(unmeasured=f"there is no {_CONFIG} in {job.root}")
        if paths:  # single files are read as the project's configuration says
            configs = [_narrowed(folder, checkout, paths, job.root)]
        make = job.maker(self.name)
        found: list[Finding] = [] if paths else await _casts(job, make)
        log = b""
        for number, config in enumerate(configs):
            state = checkout.scratch / f"{private_name('tsc', job.root)}-{number}.tsbuildinfo"
            words = ["--project", str(config), "--noEmit", "--pretty", "false"]
            words += ["--incremental", "--tsBuildInfoFile", str(state)]
            done = await start(job, checkout, box, bin_of(box, "typescript", "tsc"), words)
            log += done.stdout + done.stderr
            if done.ending is not Ending.EXITED:
                return unusable("tsc", done, job.clock)
            rows = done.stdout.decode("utf-8", "replace").splitlines()
            if fault := next((hit[0] for row in rows if (hit := _GLOBAL.match(row))), ""):
                return Measured(unmeasured=f"tsc cannot read the project: {fault[:300]}", log=log)
            own = [_finding(make, job, hit, checkout) for row in rows if (hit := _ROW.match(row))]
            if done.code != 0 and not own:
                return Measured(unmeasured=ended_badly("tsc", done, job.clock.limit_s), log=log)
            found += own
        unique = {one.fingerprint: one for one in found}
        return Measured(
            findings=tuple(unique.values()),
            reason=f"{len(unique)} findings",
            tools=tools_of(box, "typescript"),
            log=log or listed(found, b""),
        )


async def _casts(job: CheckJob, make: FindingMaker) -> list[Finding]:
    """Hold new casts to types that take anything, in changed files that are no tests."""
    found = []
    for change in job.changes:
        path = change.path if job.side is Side.CANDIDATE else change.old_path
        if not (path.endswith(_TYPED) and is_product(JAVASCRIPT, job, path)):
            continue
        source = (await job.bench.read(job.side, path) or b"").decode("utf-8", "replace")
        for line, text in await to_thread.run_sync(casts, source):
            message = f"a value is cast, which changes nothing but what the compiler believes: {text}"
            found.append(
                make.make(
                    "type-cast",
                    message,
                    path=path,
                    line=line,
                    context=text,
                    severity=Severity.WARNING,
                    effect=Effect.HOLDS,
                    remedy="Correct the value or the type; a person can allow this one.",
                )
            )
    return found


def configs_of(folder: Path) -> list[Path]:
    """Give a project's configuration and those that it refers to, each once, within its folder.

    One that lists no files and only refers to others is left out: the compiler would look at nothing.
    """
    pending, seen, out = [folder / _CONFIG], set[Path](), []
    while pending and len(seen) < _MOST:
        path = pending.pop(0)
        path = path / _CONFIG if path.is_dir() else path
        if path in seen or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            continue
        seen.add(path)
        table = read_commented(path)
        others = [one.get("path") for one in table.get("references") or () if isinstance(one, dict)]
        if not others or table.get("files") != [] or table.get("include"):
            out.append(path)
        pending += [(path.parent / one).absolute() for one in others if isinstance(one, str)]
    return out


def read_commented(path: Path) -> dict[str, Any]:
    """Read JSON with comments and trailing commas; {} if it cannot be read."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, ValueError):
        return {}
    plain = _COMMENTS.sub(lambda hit: hit[1] or " ", text)
    return read_json(_COMMAS.sub(lambda hit: hit[1] or "", plain).encode()) or {}


def _narrowed(folder: Path, checkout: Checkout, paths: tuple[str, ...], root: str) -> Path:
    """Write a configuration for single files, beside the project's own, which it extends."""
    target = folder / f"{private_name('pev-planted', root)}.tsconfig.json"
    first = configs_of(folder)[0]
    value = {
        "extends": f"./{first.relative_to(folder).as_posix()}",
        "files": list(paths),
        "include": [],
        "references": [],
    }
    target.write_text(json.dumps(value), encoding="utf-8")
    return target


def _finding(make: FindingMaker, job: CheckJob, hit: re.Match[str], checkout: Checkout) -> Finding:
    path, line = job.repo_path(hit["path"], checkout), int(hit["line"])
    return make.make(
        hit["code"],
        f"{hit['text']} [{hit['code']}]",
        path=path,
        line=line,
        context=f"{hit['text']} {source_line(checkout.root / path, line)}",
        remedy=_REMEDY,
    )
