"""The check `lint`: what does `ruff check` say?"""

from typing import ClassVar

from pev.gate.interface import Check, CheckJob, Measured
from pev.gate.ruff import run_ruff


class Lint(Check):
    """`ruff check`, with the trusted configuration, fixing nothing."""

    name = "lint"
    weight: ClassVar[int] = 20
    tools: ClassVar[tuple[str, ...]] = ("ruff",)

    async def run(self, job: CheckJob) -> Measured:
        """List the rules that are broken."""
        words = ("check", "--no-fix", "--no-fix-only", "--no-unsafe-fixes")
        return await run_ruff(self, job, words, "Correct the code; `ruff rule CODE` explains the rule.")
