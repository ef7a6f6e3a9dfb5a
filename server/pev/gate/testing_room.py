"""What one measurement of tests works in, and which files it is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from pev.gate.face import Face
from pev.gate.faces import belongs_to_tests
from pev.gate.interface import CheckJob, Checkout, FindingMaker, Toolbox
from pev.gate.protected import ground_of
from pev.gate.sabotage import Mutant, Unit
from pev.gate.testing_runs import Chosen, Run
from pev.repos.objects import Status


class Runner(Protocol):
    """The part of a test check that knows its language."""

    @property
    def face(self) -> Face:
        """How the language shows itself in files."""

    @property
    def measures_coverage(self) -> bool:
        """Whether its runs say which lines were run."""

    @property
    def label(self) -> str:
        """The check's name, told apart from those of other languages."""

    async def launch(self, job: CheckJob, checkout: Checkout, toolbox: Toolbox, chosen: Chosen) -> Run:
        """Run tests of the project in a checkout, and give what they said."""

    def breaks(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Unit]:
        """Give each function whose body holds one of `lines`, with a source in which it fails when called."""

    def mutants(self, path: str, source: str, lines: frozenset[int]) -> Iterable[Mutant]:
        """Give small changes of meaning on `lines`, those that tests should notice first, first."""

    def without_module(self, path: str, source: str) -> str | None:
        """Let a file fail as soon as it is loaded, or built; None if that cannot be."""

    def id_of(self, path: str, name: str) -> str:
        """Give the id that a run reports for a test of the inventory; "" if that cannot be told."""


@dataclass(frozen=True, slots=True)
class Room:
    """One measurement: who runs the tests, for which job, where, and what the main run said."""

    runner: Runner
    job: CheckJob
    make: FindingMaker
    checkout: Checkout
    toolbox: Toolbox
    run: Run

    async def launch(self, chosen: Chosen) -> Run:
        """Run tests again, in the same checkout."""
        return await self.runner.launch(self.job, self.checkout, self.toolbox, chosen)

    async def base_failures(self) -> frozenset[str]:
        """Give the ids of the tests that fail on the base."""
        base = await self.job.base()
        return frozenset(base.facts.get("failed", ())) if base is not None else frozenset()

    def ran(self) -> dict[str, frozenset[int]]:
        """Give the changed lines of product code that tests ran, by path; all of them if nothing tells."""
        changed = self.job.changed_lines
        if not self.runner.measures_coverage:
            return {path: lines for path, lines in changed.items() if lines and self.counts(path)}
        measured = self.run.coverage or {}
        found = {path: one.executed & changed.get(path, frozenset()) for path, one in measured.items()}
        return {path: lines for path, lines in found.items() if lines and self.counts(path)}

    def counts(self, path: str) -> bool:
        """Say whether a file is product code of this project."""
        return is_product(self.runner.face, self.job, path)

    def touches_code(self) -> bool:
        """Say whether the change touches product code of this project, other than by taking files away."""
        return any(
            change.status is not Status.DELETED and self.counts(change.path) for change in self.job.changes
        )

    def inside(self, path: str) -> str:
        """Give a path of the repository relative to the project."""
        root = self.job.root
        return path if root == "." else PurePosixPath(path).relative_to(root).as_posix()


def is_product(face: Face, job: CheckJob, path: str) -> bool:
    """Say whether a file is code of a language and a project that is no test and steers no tool."""
    return (
        face.reads(path) and job.in_project(path) and not belongs_to_tests(path) and ground_of(path) is None
    )
