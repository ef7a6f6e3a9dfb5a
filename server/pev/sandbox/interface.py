"""What every sandbox offers: run one command with only what it needs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pev.proc import Completed


@dataclass(frozen=True, slots=True)
class Command:
    """A command and all that it may have.

    `writable` and `readable` are absolute folders or files; `cwd` lies in one of them. `env` is the whole
    environment. `limit_s` is wall time in seconds, `output_bytes` what is kept of each stream.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    limit_s: float
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    stdin: bytes | None = None
    output_bytes: int = 32 * 2**20


class Sandbox(ABC):
    """A way to confine a command. `name` goes into every result; `confines` says whether it does."""

    name: ClassVar[str]
    confines: ClassVar[bool]

    @abstractmethod
    async def run(self, command: Command) -> Completed:
        """Run `command` to its end within its limits; nothing of it is left behind.

        A failing command is a result. Raises SandboxUnavailable if the mechanism cannot be set up, and
        ToolMissing if the program is absent.
        """
