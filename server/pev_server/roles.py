"""A session that holds one role: what it is offered, and the refusal, on record, of everything else.

The engine refuses by the caller's role too; here nothing of another role is even listed. A session without a
role is offered everything but what belongs to a single role alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastmcp.prompts import Prompt
from fastmcp.resources import Resource, ResourceTemplate
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool

from pev.errors import RoleRefused
from pev.events import Actor, Kind, NewEvent
from pev.models import SERVER_STREAM, Role
from pev_server.deps import get_caller, get_engine


@dataclass(frozen=True, slots=True)
class Offer:
    """What a session is offered, by name."""

    tools: frozenset[str]
    resources: frozenset[str]
    prompts: frozenset[str]


ONLY_A_ROLE: Final = frozenset({"submit_tests", "submit_review"})
"""Tools that a session without a role is not offered: judging one's own work proves nothing."""
_PLAN: Final = frozenset({"plan", "plan-revision"})
_LOOKS: Final = frozenset({"list_files", "search_files", "read_file"})
_CHANGE: Final = frozenset({"diff", "status", "log", "gate", "check", "run", "policy"})
_JUDGED: Final = frozenset({"review_change", "submit_review"}) | _LOOKS
OFFERS: Final[Mapping[Role, Offer]] = {
    Role.PLANNER: Offer(
        frozenset({"draft_plan", "submit_plan", "request_decision"}),
        _PLAN | {"runs", "run", "log", "policy", "interface"},
        frozenset({"plan"}),
    ),
    Role.AUTHOR: Offer(
        _LOOKS
        | {"make_worktree", "write_file", "edit_file", "run_command", "run_gate", "run_check", "escalate"},
        _PLAN | _CHANGE | {"interface"},
        frozenset({"author"}),
    ),
    Role.TESTER: Offer(
        frozenset({"draft_tests", "submit_tests"}), _PLAN | {"interface"}, frozenset({"tests"})
    ),
    Role.REVIEWER: Offer(_JUDGED, _PLAN | _CHANGE | {"interface"}, frozenset({"review"})),
    Role.SECURITY: Offer(_JUDGED, _PLAN | _CHANGE | {"interface"}, frozenset({"security_review"})),
}
_AS_TOOLS: Final = frozenset({"list_resources", "read_resource"})
"""How resources are offered where a host cannot read them; each read is checked again."""


class RoleView(Middleware):
    """Shows a session what its role is offered, and refuses the rest."""

    def __init__(self, role: Role | None, resources: Sequence[Resource | ResourceTemplate]) -> None:
        self._role = role
        self._offer = OFFERS[role] if role is not None else None
        self._resources = resources

    def _has_tool(self, name: str) -> bool:
        if self._offer is None:
            return name not in ONLY_A_ROLE
        return name in self._offer.tools | _AS_TOOLS

    def _has_resource(self, name: str) -> bool:
        return self._offer is None or name in self._offer.resources

    def _has_prompt(self, name: str) -> bool:
        return self._offer is None or name in self._offer.prompts

    def _named(self, uri: str) -> str:
        """Give the name of the resource behind an address; "" if there is none."""
        for one in self._resources:
            if isinstance(one, ResourceTemplate):
                if one.matches(uri) is not None:
                    return one.name
            elif str(one.uri) == uri:
                return one.name
        return ""

    async def on_list_tools(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[Tool]]
    ) -> Sequence[Tool]:
        """List the role's tools."""
        return [one for one in await call_next(context) if self._has_tool(one.name)]

    async def on_list_resources(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[Resource]]
    ) -> Sequence[Resource]:
        """List the role's resources."""
        return [one for one in await call_next(context) if self._has_resource(one.name)]

    async def on_list_resource_templates(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[ResourceTemplate]]
    ) -> Sequence[ResourceTemplate]:
        """List the role's templates of resources."""
        return [one for one in await call_next(context) if self._has_resource(one.name)]

    async def on_list_prompts(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[Prompt]]
    ) -> Sequence[Prompt]:
        """List the role's prompts."""
        return [one for one in await call_next(context) if self._has_prompt(one.name)]

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Call a tool of the role."""
        name = context.message.name
        if not self._has_tool(name):
            await self._refuse(f"tool {name}")
        return await call_next(context)

    async def on_read_resource(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Read a resource of the role."""
        uri = str(context.message.uri)
        name = self._named(uri)
        if name and not self._has_resource(name):
            await self._refuse(f"resource {uri}")
        return await call_next(context)

    async def on_get_prompt(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Render a prompt of the role."""
        name = context.message.name
        if not self._has_prompt(name):
            await self._refuse(f"prompt {name}")
        return await call_next(context)

    async def _refuse(self, what: str) -> None:
        """Record that a session asked for what is not its role's, and raise RoleRefused."""
        body = {"asked": what[:300], "role": self._role.value if self._role else ""}
        event = NewEvent(kind=Kind.ROLE_REFUSED, actor=Actor.of(get_caller()), payload=body)
        await (await get_engine()).core.append(SERVER_STREAM, [event])
        if self._role is None:
            raise RoleRefused(
                f"{what} belongs to a role of its own, and this session holds none",
                hint="Give it to a session that does: pev serve --role tester, reviewer or security.",
            )
        raise RoleRefused(
            f"the role {self._role} is not offered the {what}",
            hint="Work with what this session lists; another role answers for the rest.",
        )
