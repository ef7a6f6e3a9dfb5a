"""No confinement: a process group with limits on time and output, and an environment from a list.

Every result obtained this way says `sandboxed: false`.
"""

from pev import proc
from pev.proc import Completed
from pev.sandbox.interface import Command, Sandbox


class Unconfined(Sandbox):
    """Runs commands as ordinary processes of this user."""

    name = "none"
    confines = False

    async def run(self, command: Command) -> Completed:
        """Run the command; only its time, its output and its environment are limited."""
        return await proc.run(
            command.argv,
            cwd=command.cwd,
            env=command.env,
            limit_s=command.limit_s,
            stdin=command.stdin,
            output_bytes=command.output_bytes,
        )
