"""What every sandbox offers: run one command with only what it needs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pev.errors import SandboxUnavailable
from pev.proc import Completed
from pev.sandbox.limits import Limits
from pev.sandbox.proxy_rules import Denial

__all__ = ["Command", "Denial", "Limits", "Sandbox", "refuse_hosts"]


def _nobody(_denial: Denial) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command and all that it may have.

    `writable` and `readable` are absolute folders or files; the deepest one decides, and a `.git` at the top
    of one is not shown. `cwd` lies in one of them. `env` is the whole environment. `hosts` are hosts of the
    network with ports (see `pev.sandbox.hosts`), none by default; they may lead to an address that is not
    public only if it is in `addresses`, which the operator named. `on_denial` is told once of each refusal.
    `limit_s` is wall time in seconds, `output_bytes` what is kept of each stream.
    `limits` can narrow the operator's, never widen them.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    limit_s: float
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    on_denial: Callable[[Denial], None] = _nobody
    stdin: bytes | None = None
    output_bytes: int = 32 * 2**20
    limits: Limits | None = None


class Sandbox(ABC):
    """A way to confine a command.

    `name` goes into every result; `confines` says whether it confines at all; `gaps` names the attempts of
    `pev.sandbox.probe` that it is known not to stop. They count once `ready` was awaited.
    """

    name: str
    confines: bool
    gaps: frozenset[str] = frozenset()

    async def ready(self) -> None:
        """Find out what is in force, if that takes finding out. Raises SandboxUnavailable."""
        return

    @property
    def holds_hostile_code(self) -> bool:
        """Whether code that nobody trusted may run in it."""
        return self.confines and not self.gaps

    @abstractmethod
    async def run(self, command: Command) -> Completed:
        """Run `command` to its end within its limits; nothing of it is left behind.

        A failing command is a result. Raises SandboxUnavailable if the mechanism cannot be set up, and
        ToolMissing if the program is absent.
        """


def refuse_hosts(command: Command) -> None:
    """Refuse a command that is to reach hosts: for mechanisms that cannot let single ones through."""
    if command.hosts:
        raise SandboxUnavailable(
            f"network to {', '.join(command.hosts)} cannot be given to a command in this sandbox",
            hint="Install bubblewrap, or take the hosts out of the policy.",
        )
