"""A hostile agent: a real client with the tools of a run's worktree, and what lies outside of it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError

from support.clients import APPROVE, Person, call, connected
from support.plans import PLAN
from support.repos import UserRepoFixture

SECRET: Final = f"canary-{secrets.token_hex(8)}"


@dataclass
class Agent:
    """A client with a run and its worktree, and what lies outside."""

    client: Client[Any]
    run_id: str
    worktree: Path
    outside: Path
    said: str = ""
    before: dict[str, Any] = field(default_factory=dict)

    async def tries(self, tool: str, **arguments: Any) -> str:
        """Call a tool; give its answer or its refusal as text, and remember it."""
        try:
            with anyio.fail_after(30):
                answer = str(await call(self.client, tool, run_id=self.run_id, **arguments))
        except (ToolError, MCPError) as exc:
            answer = str(exc)
        self.said += answer
        return answer

    async def runs(self, *argv: str, limit_s: float = 20.0) -> str:
        """Run a command."""
        return await self.tries("run_command", argv=list(argv), limit_s=limit_s)

    async def python(self, code: str, *args: str) -> str:
        """Run Python code as a command."""
        return await self.runs("python3", "-c", code, *args)

    def got_nothing(self, attempt: str) -> None:
        """Assert that nothing outside changed and no secret came out, up to this attempt."""
        assert self.sees() == self.before, attempt
        assert SECRET not in self.said, attempt

    def sees(self) -> dict[str, Any]:
        """Give all that lies outside: contents and modes."""
        return {
            str(path): (path.lstat().st_mode, path.read_text(encoding="utf-8") if path.is_file() else "")
            for path in sorted(self.outside.rglob("*"))
        }


@asynccontextmanager
async def agent_at(repo: UserRepoFixture, outside: Path, transport: str = "memory") -> AsyncIterator[Agent]:
    """Connect an agent, and check afterwards that nothing outside changed and no secret came out."""
    outside.mkdir(exist_ok=True)
    (outside / "file.txt").write_text("as it was\n", encoding="utf-8")
    (outside / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")
    (outside / "folder").mkdir()
    async with connected(transport, repo.path, elicitation_handler=Person(APPROVE)) as client:
        run_id = await approved(client)
        made = await call(client, "make_worktree", run_id=run_id)
        agent = Agent(client, run_id, Path(made["worktree"]), outside)
        agent.before = agent.sees()
        yield agent
        agent.got_nothing("all together")


async def approved(client: Client[Any]) -> str:
    """Open a run and have its plan approved."""
    run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
    await call(client, "submit_plan", run_id=run_id, plan=PLAN)
    return str(run_id)


async def all_file_tools(agent: Agent, path: str) -> None:
    """Read, write and edit one path."""
    await agent.tries("read_file", path=path)
    await agent.tries("write_file", path=path, content="spoiled\n")
    await agent.tries("edit_file", path=path, old="as it was", new="spoiled")
