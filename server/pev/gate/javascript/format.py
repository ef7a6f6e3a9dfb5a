"""The check `format`: is every file as prettier, or biome, would write it?"""

from pathlib import Path
from typing import ClassVar, Final

from pev.findings import Finding
from pev.gate.interface import CheckJob, Checkout, FindingMaker, Measured
from pev.gate.javascript.biome import measure_biome, uses_biome
from pev.gate.javascript.tool import NodeTool, bin_of, start, tools_of
from pev.gate.javascript.toolbox import NodeBox
from pev.gate.outputs import listed, unusable
from pev.proc import Ending

_REMEDY: Final = "Run the project's formatter on this file."
_PREFIX: Final = "[error] "


class Format(NodeTool):
    """`prettier --list-different`, or biome's formatter, with the trusted configuration."""

    name = "format"
    weight: ClassVar[int] = 15
    planted: ClassVar[str] = (
        "const  planted = {  a:1 ,\n       'b' :2}\n\n\n\n\nif( planted ){ planted.a=3 }\n"
    )

    async def measure(
        self, job: CheckJob, checkout: Checkout, box: NodeBox, paths: tuple[str, ...]
    ) -> Measured:
        """List the files that are not formatted, and those that cannot be read."""
        if uses_biome(job, checkout, box, "prettier"):
            return await measure_biome(self.name, "format", job, checkout, box, paths, _REMEDY)
        ignored = job.folder(checkout) / ".prettierignore"
        words = ["--list-different", "--ignore-unknown", "--no-color"]
        words += [f"--ignore-path={ignored if ignored.is_file() else checkout.scratch / 'no-ignore'}"]
        done = await start(job, checkout, box, bin_of(box, "prettier"), [*words, "--", *(paths or (".",))])
        if done.ending is not Ending.EXITED:
            return unusable("prettier", done, job.clock)
        make = job.maker(self.name)
        found = [_unformatted(make, job.repo_path(path, checkout)) for path in _paths(done.stdout)]
        found += _unread(make, job, checkout, done.stderr)
        if done.code not in (0, 1) and not found:
            return unusable("prettier", done, job.clock)
        return Measured(
            findings=tuple(found),
            reason=f"{len(found)} findings",
            tools=tools_of(box, "prettier"),
            log=listed(found, done.stderr),
        )


def _paths(raw: bytes) -> list[str]:
    return [line for line in raw.decode("utf-8", "replace").splitlines() if line.strip()]


def _unformatted(make: FindingMaker, path: str) -> Finding:
    return make.make(
        "unformatted", f"{path} is not formatted", path=path, context="unformatted", remedy=_REMEDY
    )


def _unread(make: FindingMaker, job: CheckJob, checkout: Checkout, raw: bytes) -> list[Finding]:
    """Make findings of files that prettier could not read: `[error] path: SyntaxError: …`."""
    found = []
    for line in raw.decode("utf-8", "replace").splitlines():
        path, _, what = line.removeprefix(_PREFIX).partition(": ")
        if line.startswith(_PREFIX) and what and (job.folder(checkout) / Path(path)).is_file():
            named = job.repo_path(path, checkout)
            found.append(
                make.make("syntax", what, path=named, context="syntax", remedy="Correct its syntax.")
            )
    return found
