"""A client that cancels, or is gone, leaves no process behind; a server that is killed loses nothing."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from support.cli import pev
from support.clients import APPROVE, ERAS, Era, Person, call, connected
from support.gates import leftover_processes
from support.plans import PLAN
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host


def _sleeper(mark: str) -> list[str]:
    return ["python3", "-c", "import time; time.sleep(600)", mark]


async def _started(mark: str) -> None:
    with anyio.fail_after(30):
        while not leftover_processes(mark):
            await anyio.sleep(0.02)


async def _gone(mark: str) -> bool:
    with anyio.move_on_after(60):
        while leftover_processes(mark):
            await anyio.sleep(0.02)
    return not leftover_processes(mark)


@pytest.mark.parametrize("era", ERAS)
async def test_a_cancelled_call_ends_its_program(
    era: Era, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    mark = f"sleeper-{os.getpid()}-{tmp_path.name}"
    async with connected("stdio", user_repo.path, era=era, elicitation_handler=Person(APPROVE)) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        await call(client, "make_worktree", run_id=run_id)
        async with anyio.create_task_group() as group:
            arguments = {"run_id": run_id, "argv": _sleeper(mark), "limit_s": 600}
            group.start_soon(client.call_tool, "run_command", arguments)
            await _started(mark)
            group.cancel_scope.cancel()
        assert await _gone(mark)


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_client_that_is_gone_ends_its_programs(
    transport: str, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    mark = f"sleeper-{os.getpid()}-{tmp_path.name}"
    async with anyio.create_task_group() as group:
        async with connected(transport, user_repo.path, elicitation_handler=Person(APPROVE)) as client:
            run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
            await call(client, "submit_plan", run_id=run_id, plan=PLAN)
            await call(client, "make_worktree", run_id=run_id)

            async def run() -> None:
                with suppress(Exception):  # the connection ends under the call
                    await call(client, "run_command", run_id=run_id, argv=_sleeper(mark), limit_s=600)

            group.start_soon(run)
            await _started(mark)
        group.cancel_scope.cancel()
    assert await _gone(mark)


async def test_a_killed_server_loses_nothing_that_it_acknowledged(user_repo: UserRepoFixture) -> None:
    async with connected("http", user_repo.path, elicitation_handler=Person(APPROVE)) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        made = await call(client, "make_worktree", run_id=run_id)
        for server in _servers():
            os.kill(server, signal.SIGKILL)
    shown = pev("show", run_id, "--json", cwd=user_repo.path).json()
    assert shown["status"] == "executing"
    assert shown["worktree"] == made["worktree"]
    verified = pev("trail", "verify", "--json", cwd=user_repo.path)
    assert verified.code == 0, verified.out
    async with connected("stdio", user_repo.path) as client:
        again = await call(client, "make_worktree", run_id=run_id)
    assert again["worktree"] == made["worktree"]


def _servers() -> list[int]:
    """Give the servers that this very process started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = folder.joinpath("stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
            argv = folder.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == os.getpid() and b"serve\0--http" in argv:
            found.append(int(folder.name))
    return found
