"""What the commands of one task get beyond their own folders, and what they were refused meanwhile."""

from dataclasses import dataclass, field, replace
from typing import Final

from pev.proc import Completed
from pev.sandbox.interface import Command, Denial
from pev.sandbox.outcome import hint_of
from pev.sandbox.permits import Grants, narrowed

_MAX_HINTS: Final = 5


@dataclass(slots=True)
class Reach:
    """What is granted to a task. `denials` and `hint` grow with each of its commands."""

    grants: Grants = field(default_factory=Grants)
    denials: list[Denial] = field(default_factory=list)
    _hints: dict[str, None] = field(default_factory=dict)

    def widened(self, command: Command) -> Command:
        """Give a command what is granted; its own variables win over granted ones, and lower limits count."""
        limits = self.grants.limits
        return replace(
            command,
            env={**self.grants.variables(), **command.env},
            readable=(*command.readable, *self.grants.read),
            hosts=self.grants.hosts,
            addresses=self.grants.addresses,
            on_denial=self.denials.append,
            limits=narrowed(limits),
            limit_s=min(command.limit_s, limits.wall_s or command.limit_s),
            output_bytes=min(command.output_bytes, limits.output_bytes or command.output_bytes),
        )

    def heard(self, done: Completed) -> None:
        """Note why a command of this task may have failed."""
        refused = dict.fromkeys(map(str, self.denials))
        if refused:
            self._hints |= refused
        elif guess := hint_of(done, self.grants.hosts):
            self._hints |= dict.fromkeys(filter(None, (guess, self.grants.hint())))

    @property
    def hint(self) -> str:
        """Say what was refused, and who can change that; "" if nothing looks like it."""
        more = len(self._hints) - _MAX_HINTS
        said = [*self._hints][:_MAX_HINTS] + ([f"and {more} more"] if more > 0 else [])
        return "; ".join(said)
