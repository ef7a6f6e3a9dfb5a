"""make_worktree against plain `git worktree add`, and a snapshot, at 1,000 and 20,000 files, as ratios.

Ours and theirs take turns on the same repository, so that the machine's mood hits both alike; the first fill
of the depot is stated apart. The files lie in memory where the machine allows it, because on some disks the
journal decides, not the program.
"""

import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import anyio

from pev.models import RunId
from pev.repos.depot import Depot
from pev.repos.snapshot import take_snapshot
from pev.repos.source import locate
from pev.repos.worktree import make_worktree

SIZES: Final = (1_000, 20_000)
ROUNDS: Final = 9
BUDGET_S: Final = 25.0
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system, not a file; the folder in it is private
_ROOM_BYTES: Final = 2 * 2**30
_ENV: Final = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": "bench@localhost"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
}


def main() -> None:
    """Print a table of medians in milliseconds, and the ratio of each to plain git."""
    parent = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > _ROOM_BYTES else None
    print("| files | first fill | refresh | make_worktree | git worktree add | ratio | snapshot |")
    print("|---|---|---|---|---|---|---|")
    for files in SIZES:
        with tempfile.TemporaryDirectory(prefix="pev-bench-", dir=parent) as folder:
            anyio.run(_measure, Path(folder), files)
    print(f"medians of at most {ROUNDS} turns, milliseconds, in {parent or tempfile.gettempdir()}")


def _git(folder: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=folder, env=_ENV, check=True, stdout=subprocess.DEVNULL)


def _repository(path: Path, files: int) -> None:
    """Make a repository with one commit of Python files of 1 to 8 KiB, packed as a clone would be."""
    source = random.Random(7)  # noqa: S311 - only sizes depend on it
    for number in range(files):
        file = path / f"package{number % 97}" / f"part{number % 13}" / f"module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {number}\n" + "value = 1\n" * source.randint(100, 800), "utf-8")
    _git(path, "init", "-q", "-b", "main")
    _git(path, "add", "-A")
    _git(path, "-c", "gc.auto=0", "commit", "-q", "-m", "first")
    _git(path, "repack", "-a", "-d", "-q")


async def _timed(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1_000


async def _measure(home: Path, files: int) -> None:
    repository = home / "repository"
    repository.mkdir()
    _repository(repository, files)
    repo = await locate(repository)
    state = home / "state"
    fill = await _timed(Depot(repo, state).refresh())
    refresh = await _timed(Depot(repo, state).refresh())
    ours: list[float] = []
    plain: list[float] = []
    snapshots: list[float] = []
    end = time.monotonic() + BUDGET_S
    for turn in range(ROUNDS):
        if turn > 0 and time.monotonic() > end:
            break
        # a depot that remembers nothing, as in a server that was just started
        depot = Depot(repo, state)
        _, base = await depot.trusted()
        run_id = RunId(f"{turn:08x}")
        ours.append(await _timed(make_worktree(depot, home / "worktrees", run_id, base)))
        path = home / "worktrees" / run_id / "repository"
        snapshots.append(await _timed(take_snapshot(depot, path, base_commit=base, trusted_commit=base)))
        plain.append(_plain(repository, home / "plain", turn))
        shutil.rmtree(home / "worktrees")
        _git(repository, "worktree", "remove", "--force", str(home / "plain"))
    figures = [statistics.median(values) for values in (ours, plain)]
    snapshot = statistics.median(snapshots)
    print(
        f"| {files} | {fill:.0f} | {refresh:.0f} | {figures[0]:.0f} | {figures[1]:.0f}"
        f" | {figures[0] / figures[1]:.2f} | {snapshot:.0f} ({snapshot / figures[1]:.2f}) |"
    )


def _plain(repository: Path, path: Path, turn: int) -> float:
    begun = time.perf_counter()
    _git(repository, "worktree", "add", "-q", "--no-track", "-b", f"plain-{turn}", str(path))
    return (time.perf_counter() - begun) * 1_000


if __name__ == "__main__":
    main()
