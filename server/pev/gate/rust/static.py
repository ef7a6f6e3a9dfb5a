"""The checks of Rust that run no test: `format` (rustfmt), `lint` (clippy) and `types` (the compiler).

Build scripts and procedural macros are code of the project and of its crates, and run while it is compiled.
"""

import re
from typing import ClassVar, Final

from anyio import to_thread

from pev.errors import EnvironmentUnavailable, ToolMissing
from pev.findings import Effect, Finding
from pev.gate.demands import Language
from pev.gate.interface import CheckJob, Checkout, Measured
from pev.gate.outputs import ended_badly, listed, private_name, tree_changes, unusable
from pev.gate.rust.lockfile import load
from pev.gate.rust.rows import Row, RustCheck, finding, lock_words, rows_of
from pev.gate.rust.toolbox import RustBox
from pev.proc import Completed, Ending

_CLIPPY_FILES: Final = ("clippy.toml", ".clippy.toml")
_DEFECTS: Final = "clippy::"
_PLACE: Final = re.compile(
    r"^(?P<head>error[^\n]*)\n\s*--> (?P<path>[^\n]+?):(?P<line>\d+):\d+$", re.MULTILINE
)
_FORMAT: Final = "fn  planted( a :i32 )->i32{a}\n"
_LINT: Final = "pub fn planted(a: i32) -> bool {\n    let unused = 1;\n    a == a\n}\n"
_TYPES: Final = 'pub fn planted() -> i32 {\n    "no number"\n}\n'


class RustFormat(RustCheck):
    """`cargo fmt --check`, with the trusted rustfmt.toml."""

    name = "format"
    language: ClassVar[Language | None] = Language.RUST
    suffix: ClassVar[str] = ".rs"
    weight: ClassVar[int] = 10
    planted: ClassVar[str] = _FORMAT

    async def run(self, job: CheckJob) -> Measured:
        """List files that rustfmt would write otherwise."""
        checkout = await job.bench.checkout(job.side)
        return await self._run(job, checkout, ("cargo-fmt", "fmt", "--all", "--check", "--", "-l"))

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Run it over single files."""
        return await self._run(job, checkout, ("rustfmt", "--check", "-l", "--edition", "2021", *paths))

    async def _run(self, job: CheckJob, checkout: Checkout, words: tuple[str, ...]) -> Measured:
        try:
            box = await self.box(job, checkout, crates=False)
            program = str(box.rust.program(words[0]))
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return Measured(unmeasured=str(exc), outside=True)
        folder = job.folder(checkout)
        argv = [program, *words[1:]]
        done = await job.bench.run(argv, cwd=folder, checkout=checkout, clock=job.clock, toolbox=box)
        names = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.endswith(".rs")]
        said = done.stderr.decode("utf-8", "replace")
        broken = [
            Row("syntax", "error", one["path"], int(one["line"]), one["head"])
            for one in _PLACE.finditer(said)
        ]
        if done.ending is not Ending.EXITED or (done.code != 0 and not names and not broken):
            return unusable("rustfmt", done, job.clock)
        make = job.maker(self.name)
        loose = [
            Row("unformatted", "error", name, 1, "rustfmt would write this file otherwise") for name in names
        ]
        rows = [*broken, *dict.fromkeys(loose)]
        remedy = "Run `cargo fmt`."
        found = [finding(make, job, row, checkout, remedy=remedy, effect=Effect.BLOCKS) for row in rows]
        return _measured(found, box, done)


class _Compiled(RustCheck):
    """A check that compiles all targets of a project, with `words` of cargo or one of its companions."""

    runs_code: ClassVar[bool] = True
    own_checkout: ClassVar[bool] = True
    suffix: ClassVar[str] = ".rs"
    cargo: ClassVar[tuple[str, ...]]
    driver: ClassVar[str]
    remedy: ClassVar[str]

    async def run(self, job: CheckJob) -> Measured:
        """List what the compiler reports."""
        checkout = await job.bench.checkout(job.side, private=private_name(self.label, job.root))
        folder = job.folder(checkout)
        words = [*self.cargo, "--workspace", "--all-targets", "--message-format=json", *lock_words(folder)]
        measured = await self._compile(job, checkout, words)
        found = await tree_changes(job, job.maker(self.name), checkout)
        return measured.model_copy(update={"findings": (*measured.findings, *found)})

    async def look(self, job: CheckJob, checkout: Checkout, paths: tuple[str, ...]) -> Measured:
        """Compile single files, as libraries."""
        target = checkout.scratch / "planted.rmeta"
        words = [self.driver, "--crate-type=lib", "--edition=2021", "--emit=metadata", "--error-format=json"]
        return await self._compile(job, checkout, [*words, "-o", str(target), *paths])

    async def _compile(self, job: CheckJob, checkout: Checkout, words: list[str]) -> Measured:
        try:
            box = await self.box(job, checkout)
            program = str(box.rust.program(words[0]))
        except (EnvironmentUnavailable, ToolMissing) as exc:
            return Measured(unmeasured=str(exc), outside=True)
        done = await job.bench.run(
            [program, *words[1:]],
            cwd=job.folder(checkout),
            checkout=checkout,
            clock=job.clock,
            toolbox=box,
            writable=True,
            reach=job.reach,
        )
        if done.ending is not Ending.EXITED:
            return unusable(words[0], done, job.clock)
        make = job.maker(self.name)
        chosen = job.request.policy.explicit or await to_thread.run_sync(_is_chosen, job, checkout)
        rows = [row for row in rows_of(done.stdout + b"\n" + done.stderr) if self.tells(row)]
        found = [
            finding(make, job, row, checkout, remedy=self.remedy, effect=_effect(row, chosen=chosen))
            for row in rows
        ]
        measured = _measured(found, box, done)
        if done.code != 0 and not any(one.effect is Effect.BLOCKS for one in measured.findings):
            why = ended_badly(words[0], done, job.clock.limit_s)
            return measured.model_copy(update={"unmeasured": why, "log": done.stdout + done.stderr})
        return measured

    def tells(self, row: Row) -> bool:
        """Say whether a message is of interest."""
        return True


class RustLint(_Compiled):
    """`cargo clippy` over all targets, with the trusted configuration.

    Where nobody chose clippy's style, only what the compiler says, and what clippy calls an error, blocks.
    """

    name = "lint"
    language: ClassVar[Language | None] = Language.RUST
    weight: ClassVar[int] = 70
    cargo: ClassVar[tuple[str, ...]] = ("cargo-clippy", "clippy")
    driver: ClassVar[str] = "clippy-driver"
    planted: ClassVar[str] = _LINT
    remedy: ClassVar[str] = "Correct the code; the lint's name leads to its explanation."


class RustTypes(_Compiled):
    """`cargo check` over all targets."""

    name = "types"
    language: ClassVar[Language | None] = Language.RUST
    weight: ClassVar[int] = 75
    cargo: ClassVar[tuple[str, ...]] = ("cargo", "check")
    driver: ClassVar[str] = "rustc"
    planted: ClassVar[str] = _TYPES
    remedy: ClassVar[str] = "Correct what does not compile; `rustc --explain CODE` explains it."

    def tells(self, row: Row) -> bool:
        """Say whether a message is an error."""
        return row.level == "error"


def _effect(row: Row, *, chosen: bool) -> Effect:
    style = row.level == "warning" and row.rule.startswith(_DEFECTS)
    return Effect.NOTES if style and not chosen else Effect.BLOCKS


def _is_chosen(job: CheckJob, checkout: Checkout) -> bool:
    """Say whether the project configures clippy."""
    folder = job.folder(checkout)
    if any((folder / name).is_file() for name in _CLIPPY_FILES):
        return True
    path = folder / "Cargo.toml"
    table = (load(path.read_bytes()) if path.is_file() else None) or {}
    workspace = table.get("workspace")
    return "lints" in table or (isinstance(workspace, dict) and "lints" in workspace)


def _measured(found: list[Finding | None], box: RustBox, done: Completed) -> Measured:
    findings = tuple(one for one in found if one is not None)
    return Measured(
        findings=findings,
        reason=f"{len(findings)} findings",
        environment=box.key,
        tools=box.tools,
        log=listed(findings, done.stderr),
    )
