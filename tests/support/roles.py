"""Sessions that hold one role, and models that say what a test wrote down."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastmcp import Client
from mcp_types import (
    CreateMessageResult,
    CreateMessageResultWithTools,
    TextContent,
    ToolUseContent,
)

from pev.config import load_config
from pev.models import Role
from pev.roles.asker import Asker, Request, Said, ToolCall
from pev.roles.hands import HANDS
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


class Script:
    """A provider's model that follows a script: for each role its answers in turn, then the last again.

    An answer is a text, or the tool calls of one step. What it was asked is remembered; `before` is awaited
    before each answer, with the role and how often it has been asked.
    """

    model = "openai:gpt-scripted"
    secrets: tuple[str, ...] = ()

    def __init__(
        self, before: Callable[[str, int], Awaitable[None]] | None = None, **answers: Sequence[Any] | str
    ) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []
        self._before = before

    def prompts(self, role: str) -> list[str]:
        """Give what a role was asked, in order."""
        return [text for name, text in self.asked if name == role]

    async def ask(self, request: Request) -> Said:
        """Answer in the role that the system prompt names."""
        role = next(name for name in self.answers if f"You are the {name}" in request.system)
        assert bool(request.tools) == (role == "author")
        self.asked.append((role, "\n".join(str(one) for one in request.messages)))
        if self._before is not None:
            await self._before(role, len(self.prompts(role)))
        given = self.answers[role]
        turn = len(self.prompts(role)) - 1
        answer = given if isinstance(given, str) else given[min(turn, len(given) - 1)]
        if isinstance(answer, str):
            return Said(text=answer, model=self.model, tokens=100)
        calls = [ToolCall(id=f"{turn}-{n}", name=name, arguments=how) for n, (name, how) in enumerate(answer)]
        return Said(calls=tuple(calls), model=self.model, tokens=100)


class ToolModel(Model):
    """A host's model that can be given tools: as the author it follows a script of steps, like `Script`."""

    def __init__(self, author: Sequence[Any], **answers: list[str] | str) -> None:
        super().__init__(**answers)
        self.steps = list(author)

    async def __call__(self, messages: list[Any], params: Any, context: Any) -> Any:
        """Answer as the author with the next step, with tool calls if it has some."""
        if "You are the author" not in str(params.system_prompt):
            assert not params.tools
            return await super().__call__(messages, params, context)
        assert {tool.name for tool in params.tools} == {tool.name for tool in HANDS}
        self.asked.append(("author", "\n".join(str(one.content) for one in messages)))
        step, number = self.steps.pop(0), len(self.asked)
        if isinstance(step, str):
            content: Any = TextContent(type="text", text=step)
            return CreateMessageResult(role="assistant", content=content, model="claude-host")
        content = [
            ToolUseContent(type="tool_use", id=f"{number}-{n}", name=name, input=how)
            for n, (name, how) in enumerate(step)
        ]
        return CreateMessageResultWithTools(
            role="assistant", content=content, model="claude-host", stop_reason="toolUse"
        )
