"""The check `lint`: what does eslint, or biome, say?"""

import json
from typing import Any, ClassVar, Final

from pev.findings import Effect, Finding, Severity
from pev.gate.interface import CheckJob, Checkout, FindingMaker, Measured
from pev.gate.javascript.biome import measure_biome, uses_biome
from pev.gate.javascript.tool import NodeTool, bin_of, major_of, start, tools_of, version_of
from pev.gate.javascript.toolbox import NodeBox
from pev.gate.outputs import listed, source_line, unusable
from pev.proc import Ending

_REMEDY: Final = "Correct the code; the rule's own page explains it."
_FLAT: Final = ("js", "mjs", "cjs", "ts", "mts", "cts")
_FLAT_SINCE: Final = 9
_ENDINGS: Final = ".js,.jsx,.mjs,.cjs,.ts,.tsx,.mts,.cts"
# something for each family of rules that a project may have chosen alone
_PLANTED: Final = """\
var planted_value = 1, Unused_one = 2
if (planted_value == undefinedName) { debugger; eval('1') } else { }
function  planted_function(a, a_b, ...rest) {
  try { return new Object() } catch (e) { throw e } finally { }
  let never = '' + a; never = never;
}
with_nothing: for (;;) { break with_nothing }
const fixed = 1; fixed = 2; delete fixed; const same = fixed == fixed
switch (planted_value) { case 1: case 1: break }
typeof planted_value == 'strnig'; planted_value, 3; console.log(planted_value);;
class PlantedClass { constructor() { } constructor_() { return this.x === NaN } get x() { } }
var planted_value = !!!planted_value; export default async () => { await 1; new Promise(async (a) => { }) }
"""


class Lint(NodeTool):
    """`eslint`, or biome's linter, with the trusted configuration, fixing nothing."""

    name = "lint"
    weight: ClassVar[int] = 50
    planted: ClassVar[str] = _PLANTED

    async def measure(
        self, job: CheckJob, checkout: Checkout, box: NodeBox, paths: tuple[str, ...]
    ) -> Measured:
        """List what the linter reports: its errors block, its warnings are told."""
        if uses_biome(job, checkout, box, "eslint"):
            return await measure_biome(self.name, "lint", job, checkout, box, paths, _REMEDY)
        words = ["--format=json", "--no-color", "--no-fix", *_ways(job, checkout, box)]
        done = await start(job, checkout, box, bin_of(box, "eslint"), [*words, "--", *(paths or (".",))])
        rows = _rows(done.stdout) if done.ending is Ending.EXITED else None
        if rows is None or done.code not in (0, 1):
            return unusable("eslint", done, job.clock)
        make = job.maker(self.name)
        found = [
            _finding(make, job.repo_path(row["filePath"], checkout), message, checkout)
            for row in rows
            for message in row.get("messages") or ()
        ]
        return Measured(
            findings=tuple(found),
            reason=f"{len(found)} findings in {len(rows)} files",
            unmeasured=None if rows else "eslint looked at no file",
            tools=tools_of(box, "eslint"),
            log=listed(found, done.stderr),
        )


def _ways(job: CheckJob, checkout: Checkout, box: NodeBox) -> list[str]:
    """Give the options that depend on which kind of configuration is used."""
    folder = job.folder(checkout)
    if major_of(version_of(box, "eslint")) >= _FLAT_SINCE or any(
        (folder / f"eslint.config.{ending}").is_file() for ending in _FLAT
    ):
        return []
    return [f"--ext={_ENDINGS}"]


def _rows(raw: bytes) -> list[dict[str, Any]] | None:
    try:
        rows = json.loads(raw)
    except ValueError:
        return None
    good = isinstance(rows, list) and all(isinstance(row, dict) and "filePath" in row for row in rows)
    return rows if good else None


def _finding(make: FindingMaker, path: str, message: dict[str, Any], checkout: Checkout) -> Finding:
    rule = str(message.get("ruleId") or "syntax")
    line = message.get("line") if isinstance(message.get("line"), int) else None
    serious = message.get("severity") == 2 or bool(message.get("fatal"))
    return make.make(
        rule,
        f"{message.get('message')} [{rule}]",
        path=path,
        line=line,
        context=f"{rule} {source_line(checkout.root / path, line)}",
        severity=Severity.ERROR if serious else Severity.WARNING,
        effect=Effect.BLOCKS if serious else Effect.NOTES,
        remedy=_REMEDY,
    )
