"""A hostile agent that has PEV's file tools reaches nothing outside its worktree.

A real client calls real tools in the worktree of a run. What counts is the effect: a file outside is as it
was, and a secret is in no answer. `agent_at` checks both after each test.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from support.agents import SECRET, Agent, agent_at, all_file_tools, approved
from support.clients import call
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the repository, which is nobody's business."""
    return tmp_path / "outside"


_NAMES: Final[dict[str, Callable[[Agent], str]]] = {
    "absolute": lambda at: f"{at.outside}/file.txt",
    "absolute_secret": lambda at: f"{at.outside}/secret.txt",
    "dotdot": lambda at: os.path.relpath(at.outside / "file.txt", at.worktree),
    "dotdot_inside": lambda at: "src/../" + os.path.relpath(at.outside / "secret.txt", at.worktree),
    "dotdot_through_missing_folder": lambda at: "no/" + os.path.relpath(at.outside / "file.txt", at.worktree),
    "proc_root": lambda at: f"/proc/self/root{at.outside}/secret.txt",
    "proc_environment": lambda _: "/proc/self/environ",
    "proc_working_folder": lambda _: "/proc/self/cwd/README.md",
    "full_width_dots": lambda at: os.path.relpath(at.outside / "file.txt", at.worktree).replace(
        ".", "\uff0e"
    ),
    "percent_dots": lambda at: os.path.relpath(at.outside / "file.txt", at.worktree).replace(".", "%2e"),
    "backslashes": lambda at: os.path.relpath(at.outside / "file.txt", at.worktree).replace("/", "\\"),
    "nul": lambda at: f"README.md\0{at.outside}/secret.txt",
    "tilde": lambda _: "~/.netrc",
    "over_long": lambda _: "a/" * 2_000 + "b",
}


async def test_no_name_of_a_path_leads_out(user_repo: UserRepoFixture, outside: Path) -> None:
    async with agent_at(user_repo, outside) as agent:
        for name, path in _NAMES.items():
            await all_file_tools(agent, path(agent))
            agent.got_nothing(name)


async def test_a_link_that_a_command_plants_leads_nowhere(user_repo: UserRepoFixture, outside: Path) -> None:
    async with agent_at(user_repo, outside) as agent:
        for target in ("file.txt", "secret.txt", "folder", "absent"):
            link = f"to-{target}"
            await agent.python("import os, sys; os.symlink(*sys.argv[1:])", f"{outside}/{target}", link)
            assert (agent.worktree / link).is_symlink()
            for path in (link, f"{link}/new.txt"):
                await all_file_tools(agent, path)
                agent.got_nothing(path)


async def test_a_linked_folder_is_not_walked(user_repo: UserRepoFixture, outside: Path) -> None:
    """Listing and searching follow no link that leads out, whatever the pattern."""
    async with agent_at(user_repo, outside) as agent:
        (agent.worktree / "link").symlink_to(outside)
        for pattern in ("**", "link/**", "../**", f"{outside}/**", "link/*.txt", "../../**/*.txt"):
            listed = await agent.tries("list_files", pattern=pattern)
            assert "secret.txt" not in listed
            await agent.tries("search_files", pattern="canary", glob=pattern)


@contextmanager
def _swapping(folder: Path, outside: Path) -> Iterator[None]:
    """Swap a folder of the worktree for a link to the outside, and back, all the time."""
    link, aside = folder.with_name("link"), folder.with_name("aside")
    link.symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with suppress(OSError):
                folder.rename(aside)
                link.rename(folder)
                folder.rename(link)
                aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def test_a_folder_swapped_for_a_link_during_the_call_leads_nowhere(
    user_repo: UserRepoFixture, outside: Path
) -> None:
    """Checking a path and then opening it is a race; opening beneath a descriptor is none."""
    async with agent_at(user_repo, outside) as agent:
        folder = agent.worktree / "sub"
        folder.mkdir()
        for name in ("file.txt", "secret.txt"):
            (folder / name).write_text("as it was, inside\n", encoding="utf-8")
        with _swapping(folder, outside):
            for _ in range(10):
                await all_file_tools(agent, "sub/file.txt")
                await agent.tries("read_file", path="sub/secret.txt")


async def test_a_hard_link_lets_nothing_be_written_through(user_repo: UserRepoFixture, outside: Path) -> None:
    """Whoever planted it: a write makes a new file, and the other name keeps the old one."""
    async with agent_at(user_repo, outside) as agent:
        (agent.worktree / "hard").hardlink_to(outside / "file.txt")
        await agent.tries("write_file", path="hard", content="spoiled\n")
        (agent.worktree / "harder").hardlink_to(outside / "file.txt")
        await agent.tries("edit_file", path="harder", old="as it was", new="spoiled")


async def test_a_pipe_with_a_name_holds_no_tool_up_and_feeds_nobody(
    user_repo: UserRepoFixture, outside: Path
) -> None:
    """A FIFO blocks whoever opens it carelessly, and may have a reader outside."""
    async with agent_at(user_repo, outside) as agent:
        os.mkfifo(agent.worktree / "pipe")
        reader = os.open(agent.worktree / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            await all_file_tools(agent, "pipe")
            await agent.tries("search_files", pattern="x")
            with suppress(BlockingIOError):
                assert os.read(reader, 100) == b""
        finally:
            os.close(reader)


_GIT_NAMES: Final = (
    ".git/config",
    "./.git/config",
    "src/../.git/config",
    ".GIT/config",
    ".Git/hooks/pre-commit",
    ".g\u200cit/config",
    "git~1/config",
    ".git./config",
    ".git /config",
    ".git",
    "src/.git/config",
)


async def test_no_name_of_git_s_folder_can_be_written(user_repo: UserRepoFixture, outside: Path) -> None:
    """Some names mean git's folder only on other systems; the worktree is of this one."""
    evil = f"[core]\n\tfsmonitor = touch {outside}/owned\n"
    script = 'mkdir -p "$(dirname "$0")"; printf %s "$1" >"$0"'
    async with agent_at(user_repo, outside) as agent:
        git = agent.worktree / ".git"
        before = git.read_bytes() if git.is_file() else sorted(git.rglob("*"))
        for name in _GIT_NAMES:
            await agent.tries("write_file", path=name, content=evil)
            await agent.runs("sh", "-c", script, name, evil)
            assert (git.read_bytes() if git.is_file() else sorted(git.rglob("*"))) == before, name
            user_repo.git("-C", str(agent.worktree), "status")
            agent.got_nothing(name)


@pytest.mark.parametrize("way", ["write_file", "command", "link"])
async def test_the_worktree_of_another_run_is_out_of_reach(
    way: str, user_repo: UserRepoFixture, outside: Path
) -> None:
    async with agent_at(user_repo, outside) as agent:
        other_id = await approved(agent.client)
        other = Path((await call(agent.client, "make_worktree", run_id=other_id))["worktree"])
        target = other / "README.md"
        target.write_text(f"{SECRET}\n", encoding="utf-8")
        if way == "link":
            (agent.worktree / "link").symlink_to(other)
        paths = [str(target), os.path.relpath(target, agent.worktree), "link/README.md"]
        for path in paths:
            if way == "command":
                await agent.runs("sh", "-c", 'cat "$0"; echo spoiled >"$0"', path)
            else:
                await all_file_tools(agent, path)
        assert target.read_text(encoding="utf-8") == f"{SECRET}\n"
        if way == "link":
            (agent.worktree / "link").unlink()  # it names the other worktree itself
        own = next(part for part in other.parts if part not in agent.worktree.parts)
        assert own not in await agent.runs("ls", "-a", "..", "../..", "../../..")
