"""What each role may see and do: the server holds it, whatever a client asks for.

The tester never sees the change, nor where it lies; reviewers see it and cannot touch it; the trail is for
the author's host and for people. Nobody is shown held-out tests.
"""

from enum import StrEnum
from typing import Final

from pev.errors import RoleRefused
from pev.models import AGENT_SCOPES, Caller, Role, Scope


class Sight(StrEnum):
    """A kind of thing that can be looked at."""

    PLAN = "the plan"
    INTERFACE = "the public interface before the change"
    RUN = "the run"
    CHANGE = "the change"
    GATE = "the gate's result"
    TRAIL = "the trail"


_JUDGE: Final = frozenset(Sight) - {Sight.TRAIL}
SEES: Final[dict[Role, frozenset[Sight]]] = {
    Role.PERSON: frozenset(Sight),
    Role.SERVER: frozenset(Sight),
    Role.AUTHOR: frozenset(Sight),
    Role.PLANNER: frozenset(Sight) - {Sight.CHANGE, Sight.TRAIL},
    Role.TESTER: frozenset({Sight.PLAN, Sight.INTERFACE}),
    Role.REVIEWER: _JUDGE,
    Role.SECURITY: _JUDGE,
}
SCOPES: Final[dict[Role, frozenset[Scope]]] = {
    Role.PLANNER: frozenset({Scope.READ, Scope.PLAN}),
    Role.AUTHOR: frozenset({Scope.READ, Scope.EXECUTE, Scope.VERIFY}),
    Role.TESTER: frozenset({Scope.READ, Scope.VERIFY}),
    Role.REVIEWER: frozenset({Scope.READ, Scope.VERIFY}),
    Role.SECURITY: frozenset({Scope.READ, Scope.VERIFY}),
}
"""What a session that holds a single role may do at most."""
HOLDABLE: Final = tuple(SCOPES)
"""The roles that a session of a host can hold."""


def require_sight(caller: Caller, sight: Sight) -> None:
    """Raise RoleRefused unless the caller's role may look at this."""
    if sight not in SEES[caller.role]:
        raise RoleRefused(
            f"the role {caller.role} does not see {sight}",
            hint="Work with what this role is given; another role answers for the rest.",
        )


def require_role(caller: Caller, *allowed: Role, to: str) -> None:
    """Raise RoleRefused unless the caller holds one of the `allowed` roles."""
    if caller.role not in allowed:
        raise RoleRefused(
            f"the role {caller.role} may not {to}",
            hint=f"A session of its own holds that role: pev serve --role {allowed[0]}.",
        )


def scopes_of(role: Role | None) -> frozenset[Scope]:
    """Give what a local session may do: all that agents may, or what its single role needs."""
    return AGENT_SCOPES if role is None else SCOPES[role]
