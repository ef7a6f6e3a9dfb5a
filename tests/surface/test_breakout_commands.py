"""A hostile agent that has PEV's run_command reaches nothing outside its worktree.

A real client calls the real tool in the worktree of a run. What counts is the effect: a file outside is as it
was, a secret is in no answer, a program of the worktree was not run by us, nothing lives on.
"""

import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import pytest
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError

from support.agents import SECRET, agent_at
from support.clients import call
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the repository, which is nobody's business."""
    return tmp_path / "outside"


async def test_a_command_makes_no_hard_link_to_the_outside(user_repo: UserRepoFixture, outside: Path) -> None:
    async with agent_at(user_repo, outside) as agent:
        code = "import os, sys; os.link(sys.argv[1], 'hard')"
        await agent.python(code, f"{outside}/secret.txt")
        assert (outside / "secret.txt").stat().st_nlink == 1


async def test_git_settings_in_the_worktree_run_nothing_of_ours(
    user_repo: UserRepoFixture, outside: Path
) -> None:
    """Filters, hooks and monitors run when we look at the change, if we let git read them there."""
    async with agent_at(user_repo, outside) as agent:
        (outside / "ran").mkdir()
        mark = f"touch {outside}/ran/owned"
        await agent.tries("write_file", path=".gitattributes", content="* filter=evil diff=evil text\n")
        config = f'[filter "evil"]\n\tclean = {mark}; cat\n\tsmudge = {mark}\n[core]\n\tfsmonitor = {mark}\n'
        for name in (".gitconfig", ".lfsconfig", "config", ".gitmodules"):
            await agent.tries("write_file", path=name, content=config)
        await agent.python("import sys; open('.git/config', 'w').write(sys.argv[1])", config)
        await agent.runs("sh", "-c", 'mkdir -p .git/hooks; printf %s "$0" >.git/config', config)
        with suppress(MCPError, ToolError):
            agent.said += str(await agent.client.read_resource(f"pev://runs/{agent.run_id}/diff"))
        await agent.tries("list_files")
        await call(agent.client, "remove_worktree", run_id=agent.run_id)
        assert not list((outside / "ran").iterdir())
        (outside / "ran").rmdir()


async def test_a_command_reads_no_secret_of_its_user(
    user_repo: UserRepoFixture, outside: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home, state, keys, and the variables that the server was started with; over a real transport."""
    monkeypatch.setenv("GITHUB_TOKEN", SECRET)
    (own_home / ".netrc").write_text(f"password {SECRET}\n", encoding="utf-8")
    (own_home / "state/keys").mkdir(parents=True, exist_ok=True)
    (own_home / "state/keys/canary.pem").write_text(SECRET, encoding="utf-8")
    async with agent_at(user_repo, outside, "stdio") as agent:
        await agent.runs("env")
        await agent.runs("sh", "-c", "cat ~/.netrc /proc/*/environ /proc/self/environ")
        seek = "grep -rIs canary- " + f"{own_home} {outside} {user_repo.path} /tmp /proc/1/root{outside}"
        await agent.runs("sh", "-c", seek)
        await agent.runs("cat", f"{outside}/secret.txt")
        listed = await agent.runs("ls", "-aR", str(own_home))
        assert "trail.sqlite3" not in listed
        assert "canary.pem" not in listed


async def test_a_command_reaches_no_listener(user_repo: UserRepoFixture, outside: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ear:
        ear.setblocking(False)
        async with agent_at(user_repo, outside) as agent:
            code = (
                "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2).send(b'x')"
            )
            await agent.python(code, str(ear.getsockname()[1]))
        with pytest.raises(BlockingIOError):
            ear.accept()


async def test_a_command_leaves_no_process(user_repo: UserRepoFixture, outside: Path) -> None:
    """A daemon that goes on writing would show."""
    async with agent_at(user_repo, outside) as agent:
        code = (
            "import os, time\n"
            "if os.fork(): time.sleep(0.3); os._exit(0)\n"
            "os.setsid()\n"
            "if os.fork(): os._exit(0)\n"
            "for _ in range(400): open('beat', 'a').write('.'); time.sleep(0.02)\n"
        )
        await agent.python(code)
        beat = agent.worktree / "beat"
        assert beat.exists()
        seen = beat.stat().st_size
        await anyio.sleep(0.3)
        assert beat.stat().st_size == seen


_PROGRAMS: Final = {
    "outside": ["{outside}/folder/tool"],
    "dotdot": ["../../../../../../..{outside}/folder/tool"],
    "planted_python": ["python3", "-c", "import ctypes, json, pev"],
    "planted_program": ["./python3"],
    "planted_env": ["env"],
    "dash": ["--", "{outside}/folder/tool"],
    "loader": ["/lib64/ld-linux-x86-64.so.2", "{outside}/folder/tool"],
}


async def test_no_program_is_started_outside_the_sandbox(user_repo: UserRepoFixture, outside: Path) -> None:
    """Neither one that lies outside, nor one of the worktree that has the name of a tool of ours."""
    evil = f"#!/bin/sh\n: >{outside}/owned\n"
    async with agent_at(user_repo, outside) as agent:
        for tool in ("bwrap", "python3", "env", "git", "prlimit"):
            await agent.tries("write_file", path=tool, content=evil)
            (agent.worktree / tool).chmod(0o755)
        for module in ("sitecustomize.py", "pev/__init__.py", "json/__init__.py", "ctypes.py"):
            await agent.tries("write_file", path=module, content=f"open({str(outside / 'owned')!r}, 'w')\n")
        for name, argv in _PROGRAMS.items():
            await agent.runs(*(word.format(outside=outside) for word in argv))
            agent.got_nothing(name)


async def test_what_a_command_prints_cannot_steer_a_terminal(
    user_repo: UserRepoFixture, outside: Path
) -> None:
    """Escape sequences clear screens, set titles and clipboards, and forge prompts."""
    async with agent_at(user_repo, outside) as agent:
        evil = "\x1b[2J\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x9b31m\u202e\x08\x08\x08hidden\r"
        done = await call(
            agent.client,
            "run_command",
            run_id=agent.run_id,
            argv=["python3", "-c", f"print({evil!r})"],
        )
        assert not set(done["output"]) & set("\x1b\x07\x08\x9b")
