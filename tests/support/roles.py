"""Sessions that hold one role, and models that say what a test wrote down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastmcp import Client

from pev.config import load_config
from pev.models import Role
from pev.roles.asker import Asker
from pev_server.app import create_app
from support.clients import Era


@asynccontextmanager
async def session(
    cwd: Path,
    role: Role | None = None,
    *,
    era: Era = "auto",
    asker: Asker | None = None,
    **options: Any,
) -> AsyncIterator[Client[Any]]:
    """Connect a client to a server of ours, in this process, whose sessions hold a role."""
    app = create_app(load_config(), cwd=cwd, role=role, asker=asker)
    async with Client(app, mode=era, timeout=120, **options) as client:
        yield client


class Model:
    """A host's model that lends itself: answers each role by its turn, and remembers what it was asked."""

    def __init__(self, **answers: list[str] | str) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, messages: list[Any], params: Any, _context: Any) -> str:
        """Answer in the role that the system prompt names."""
        system = str(getattr(params, "system_prompt", "") or "")
        role = next(name for name in self.answers if f"You are the {name}" in system)
        self.asked.append((role, "\n".join(str(getattr(one.content, "text", one)) for one in messages)))
        given = self.answers[role]
        if isinstance(given, str):
            return given
        return given.pop(0) if len(given) > 1 else given[0]
