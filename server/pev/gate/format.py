"""The check `format`: is every file as `ruff format` would write it?"""

from typing import ClassVar

from pev.gate.interface import Check, CheckJob, Measured
from pev.gate.ruff import run_ruff


class Format(Check):
    """`ruff format --check`, with the trusted configuration."""

    name = "format"
    weight: ClassVar[int] = 10
    tools: ClassVar[tuple[str, ...]] = ("ruff",)

    async def run(self, job: CheckJob) -> Measured:
        """List the files that would be written anew."""
        return await run_ruff(self, job, ("format", "--check"), "Run `ruff format` on this file.")
