"""Outfits a worktree: interpreters that see its projects, and the dependencies that they declare.

They are built as for the gate, from wheels alone, without running anything of the repository. They lie
outside the worktree, where no command can write, and are made anew when a file that declares dependencies
changes.
"""

import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from anyio import to_thread

from pev.config import Config
from pev.errors import PevError
from pev.gate.demands import Language, Policy
from pev.gate.environment import Environments
from pev.gate.install import install
from pev.gate.requirements import REQUIREMENT_FILES
from pev.models import Digest, Model, ObjectId, RunId, digest_of
from pev.repos.beneath import read_plain
from pev.repos.depot import Depot
from pev.repos.lock import locked
from pev.repos.scratch import remove_folder, scratch_checkout
from pev.repos.snapshot import take_snapshot
from pev.repos.worktree import Worktree
from pev.run import RunState

DECLARING: Final = ("pyproject.toml", "setup.cfg", "setup.py", "uv.lock", "poetry.lock", "pdm.lock")
_MAX_BYTES: Final = 16 * 2**20
_WAIT_S: Final = 1_800.0
_RECORD: Final = "outfit.json"


class Outfit(Model):
    """What a worktree's commands find on their PATH, and may read for it.

    `marks` names the files that it was made from. `fault` says what could not be had.
    """

    marks: Digest
    bins: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    fault: str = ""

    def path(self, rest: str) -> str:
        """Put the interpreters' programs before the rest of a PATH."""
        return os.pathsep.join([*map(str, self.bins), rest])


class Outfitter:
    """Makes outfits and keeps them, one folder for each run."""

    def __init__(self, config: Config) -> None:
        self._environments = Environments(config)
        self._folder = config.state_dir / "outfits"

    async def outfit(
        self,
        state: RunState,
        worktree: Worktree,
        policy: Policy,
        depot: Callable[[], Awaitable[Depot]],
        set_up: Callable[[Outfit], Awaitable[str]],
    ) -> Outfit:
        """Give the outfit of a run's worktree as it is now; what cannot be had is its `fault`.

        A new one is completed by `set_up`, which says what failed. With a fault it is made again next time.
        """
        folder = self._folder / state.id
        marks = await to_thread.run_sync(_marks, worktree.path, [one.root for one in policy.projects])
        if (kept := _read(folder, marks)) is not None:
            return kept
        async with locked(folder / "lock", limit_s=_WAIT_S):
            if (kept := _read(folder, marks)) is not None:
                return kept
            try:
                made = await self._make(folder, marks, await depot(), worktree, policy, state.trusted_commit)
            except PevError as exc:
                return Outfit(marks=marks, fault=exc.message)
            if fault := await set_up(made):
                return made.model_copy(update={"fault": fault})
            await to_thread.run_sync(_write, folder, made)
            return made

    async def _make(
        self,
        folder: Path,
        marks: Digest,
        depot: Depot,
        worktree: Worktree,
        policy: Policy,
        trusted_commit: ObjectId,
    ) -> Outfit:
        """Build the environments that the worktree's files declare. Raises PevError."""
        tree = await take_snapshot(
            depot, worktree.path, base_commit=ObjectId(worktree.base_commit), trusted_commit=trusted_commit
        )
        paths = [entry.path for entry in await depot.entries(tree)]
        own = [one for one in policy.projects if one.language is Language.PYTHON]
        projects = [one for one in own if _holds_python(paths, one.root)]
        bins: list[Path] = []
        readable: list[Path] = []
        if projects:
            async with scratch_checkout(depot, tree, folder) as checkout:
                for number, project in enumerate(projects):
                    settings = project.environment or policy.environment
                    built = await self._environments.build(depot, tree, project.root, settings)
                    place = folder / f"{marks[:12]}-{secrets.token_hex(4)}-{number}"
                    made = await to_thread.run_sync(
                        install, built, checkout, project.root, place, worktree.path
                    )
                    bins += made.bins
                    readable += made.readable
        return Outfit(marks=marks, bins=tuple(dict.fromkeys(bins)), readable=tuple(dict.fromkeys(readable)))

    async def remove(self, run_id: RunId) -> None:
        """Remove what a run's worktree was outfitted with."""
        with suppress(OSError):
            await to_thread.run_sync(remove_folder, self._folder / run_id)


def setup_of(policy: Policy) -> list[tuple[str, tuple[str, ...]]]:
    """Give the setup commands of all projects, each with the root of its project."""
    return [
        (project.root, argv)
        for project in policy.projects
        for argv in (project.environment or policy.environment).setup
    ]


def _holds_python(paths: Iterable[str], root: str) -> bool:
    prefix = "" if root == "." else f"{root}/"
    return any(path.startswith(prefix) and path.endswith(".py") for path in paths)


def _marks(worktree: Path, roots: Iterable[str]) -> Digest:
    """Name the files of a worktree that declare dependencies, by their content."""
    seen = []
    for root in roots:
        for name in (*DECLARING, *REQUIREMENT_FILES):
            path = name if root == "." else f"{root}/{name}"
            with suppress(OSError, PevError):
                seen.append(f"{path} {digest_of(read_plain(worktree, path, _MAX_BYTES) or b'')}")
    return digest_of("\n".join(seen).encode())


def _read(folder: Path, marks: Digest) -> Outfit | None:
    try:
        kept = Outfit.model_validate_json((folder / _RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    there = all(path.is_dir() for path in kept.bins)
    return kept if kept.marks == marks and there else None


def _write(folder: Path, outfit: Outfit) -> None:
    fresh = folder / f".{_RECORD}.{secrets.token_hex(4)}"
    fresh.write_text(outfit.model_dump_json(), encoding="utf-8")
    fresh.replace(folder / _RECORD)
