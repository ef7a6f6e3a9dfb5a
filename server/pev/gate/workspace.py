"""Where checks work: scratch checkouts of both sides, interpreters for them, and processes in the sandbox.

A workspace belongs to one gate. Everything that it makes lies in one folder of ours, and is gone when the
gate ends, however it ends.
"""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import anyio
from anyio import to_thread

from pev import proc
from pev.config import Config
from pev.errors import EnvironmentUnavailable, PevError, SnapshotRefused
from pev.gate.clock import Clock
from pev.gate.demands import Language, Project
from pev.gate.environment import Environments
from pev.gate.harness import Harness
from pev.gate.interface import (
    Bench,
    Check,
    Checkout,
    GateRequest,
    Interpreter,
    Side,
    Tool,
    Toolbox,
    ToolboxMaker,
)
from pev.gate.keeping import Keeping
from pev.gate.locked import LockedTools
from pev.gate.outputs import private_name
from pev.gate.store import Store
from pev.gate.tools import own_folders
from pev.models import Digest, Model, ObjectId
from pev.proc import Completed
from pev.repos.scratch import held_folder, is_abandoned, remove_folder
from pev.sandbox.interface import Command, Sandbox
from pev.sandbox.reach import Reach

_M = TypeVar("_M", bound=Model)
_Stamp = tuple[int, int, int]
SCRATCH: Final = "scratch"
KEPT: Final = "kept"


class Workspace(Bench):
    """The bench of one gate."""

    def __init__(
        self,
        request: GateRequest,
        *,
        base_tree: ObjectId | None,
        harness: Harness,
        config: Config,
        sandbox: Sandbox,
        environments: Environments,
        makers: Mapping[Language, ToolboxMaker],
        store: Store,
        folder: Path,
    ) -> None:
        self._request = request
        self._base_tree = base_tree
        self._harness = harness
        self._config = config
        self._sandbox = sandbox
        self._environments = environments
        self._makers = makers
        self._store = store
        self._folder = folder
        self._checkouts: dict[tuple[Side, str], Checkout] = {}
        self._refused: dict[tuple[Side, str], PevError] = {}
        self._stamps: dict[Path, dict[str, _Stamp]] = {}
        self._tools: dict[tuple[str, str], Tool] = {}
        self._toolboxes: dict[tuple[Path, str, Language], Toolbox] = {}
        self._locks: dict[object, anyio.Lock] = {}

    def _lock(self, key: object) -> anyio.Lock:
        return self._locks.setdefault(key, anyio.Lock())

    def tree(self, side: Side) -> ObjectId:
        """Give the tree of a side."""
        return (
            self._base_tree if side is Side.BASE and self._base_tree is not None else self._request.snapshot
        )

    async def checkout(
        self, side: Side, *, private: str = "", replaced: Mapping[str, bytes | None] | None = None
    ) -> Checkout:
        """Give a checkout of one side, written on first use."""
        key = (side, private)
        async with self._lock(key):
            if key in self._refused:
                raise self._refused[key]
            if key not in self._checkouts:
                try:
                    self._checkouts[key] = await self._write(side, private or "shared", replaced or {})
                except PevError as exc:
                    self._refused[key] = exc  # what may not be written out is not tried again
                    raise
            return self._checkouts[key]

    async def _write(self, side: Side, name: str, replaced: Mapping[str, bytes | None]) -> Checkout:
        root, scratch = _room(self._folder / f"{side}-{name}")
        tree = self.tree(side)
        await self._request.depot.materialise(tree, root)
        overlay = self._harness.candidate if side is Side.CANDIDATE else self._harness.base
        await to_thread.run_sync(_overlay, root, {**overlay, **replaced})
        self._stamps[root] = await to_thread.run_sync(_stamps, root)
        return Checkout(root=root, scratch=scratch, tree=tree)

    async def rewrite(self, checkout: Checkout, files: Mapping[str, bytes | None]) -> None:
        """Write other content over files of a checkout; None removes one. Raises SnapshotRefused."""
        await to_thread.run_sync(_overlay, checkout.root, files)

    async def read(self, side: Side, path: str) -> bytes | None:
        """Give a file of one side, as the checkout shows it."""
        overlay = self._harness.candidate if side is Side.CANDIDATE else self._harness.base
        if path in overlay:
            return overlay[path]
        return await self._request.depot.read_blob(self.tree(side), path)

    async def interpreter(self, side: Side, checkout: Checkout, root: str) -> Interpreter:
        """Give an interpreter that sees the dependencies of a project, and the project of this checkout."""
        projects = self._request.policy.policy.projects
        python = [one for one in projects if one.language is Language.PYTHON]
        own = next((one for one in python if one.root == root), Project(root=root))
        box = await self.toolbox(side, checkout, own)
        if not isinstance(box, Interpreter):
            raise EnvironmentUnavailable(f"no Python for {root}", hint="Name it as a Python project.")
        return box

    async def tool(self, name: str, root: str) -> Tool:
        """Give a tool in the version that the trusted ref locks, else ours. Raises EnvironmentUnavailable."""
        key = (name, root)
        async with self._lock(key):
            if key not in self._tools:
                trusted = await self._request.depot.tree_of(self._request.trusted_commit)
                locked = LockedTools(self._request.depot, trusted, self._environments)
                self._tools[key] = await locked.tool(name, root)
            return self._tools[key]

    async def toolbox(self, side: Side, checkout: Checkout, project: Project) -> Toolbox:
        """Give what the tools of a project in a checkout need. Raises EnvironmentUnavailable."""
        key = (checkout.root, project.root, project.language)
        async with self._lock(key):
            if key not in self._toolboxes:
                trusted = await self._request.depot.tree_of(self._request.trusted_commit)
                settings = project.environment or self._request.policy.policy.environment
                self._toolboxes[key] = await self._makers[project.language].fit(
                    self._request.depot, checkout, project.root, settings, trusted
                )
            return self._toolboxes[key]

    async def wanted_key(self, side: Side, project: Project) -> str:
        """Name a project's environment on one side."""
        settings = project.environment or self._request.policy.policy.environment
        maker = self._makers[project.language]
        return await maker.name(self._request.depot, self.tree(side), project.root, settings)

    async def prepare(self, check: Check, project: Project) -> None:
        """Build what a check needs before its clock starts; what fails here, fails again in the check."""
        side = Side.CANDIDATE
        with contextlib.suppress(PevError):
            private = private_name(check.label, project.root) if check.own_checkout else ""
            checkout = await self.checkout(side, private=private)
            if check.needs_environment:
                await self.toolbox(side, checkout, project)

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        checkout: Checkout,
        clock: Clock,
        toolbox: Toolbox | None = None,
        tool: Tool | None = None,
        env: Mapping[str, str] | None = None,
        writable: bool = False,
        reach: Reach | None = None,
    ) -> Completed:
        """Run a program in the sandbox, within the time that is left, with a home and a /tmp of its own.

        With `reach` it also gets what the repository's code was granted.
        """
        bins = [str(path) for path in toolbox.bins] if toolbox else []
        own = proc.base_env()
        home, tmp = checkout.scratch / "home", checkout.scratch / "tmp"
        whole = {
            **own,
            "PATH": os.pathsep.join([*bins, own["PATH"]]),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "TMPDIR": str(tmp),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "NO_COLOR": "1",
            **(toolbox.env if toolbox else {}),
            **(env or {}),
        }
        readable = (checkout.root, *own_folders(), *(toolbox.readable if toolbox else ()))
        readable += tool.readable if tool else ()
        command = Command(
            argv=tuple(argv),
            cwd=cwd,
            env=whole,
            limit_s=max(0.01, clock.left_s()),
            writable=(checkout.scratch, checkout.root) if writable else (checkout.scratch,),
            readable=readable,
            output_bytes=self._config.output_bytes,
        )
        if reach is None:
            return await self._sandbox.run(command)
        done = await self._sandbox.run(reach.widened(command))
        reach.heard(done)
        return done

    async def recall(self, key: Digest, kind: type[_M]) -> _M | None:
        """Give what a check remembered under a key."""
        return await to_thread.run_sync(self._store.recall, key, kind)

    async def remember(self, key: Digest, value: Model) -> None:
        """Remember something under a key, in the place of what stands there."""
        await to_thread.run_sync(self._store.remember, key, value)

    async def copy_kept(
        self, key: Digest, target: Path, make: Callable[[Checkout], Awaitable[Path | None]]
    ) -> bool:
        """Copy a folder that is kept between gates to `target`; see `pev.gate.keeping`."""

        async def fresh() -> Path | None:
            root, scratch = _room(self._folder / f"kept-{key[:12]}")
            return await make(Checkout(root=root, scratch=scratch, tree=ObjectId("")))

        async with self._lock(key):
            return await Keeping(self._config.cache_dir / KEPT).copy(key, target, fresh)

    async def touched(self, checkout: Checkout) -> tuple[str, ...]:
        """List files of a checkout that were changed or removed since they were written.

        The inode change time cannot be set back by a program, so a rewritten file shows even when its size
        and its modification time were restored.
        """
        now = await to_thread.run_sync(_stamps, checkout.root)
        before = self._stamps[checkout.root]
        return tuple(sorted(path for path, stamp in before.items() if now.get(path) != stamp))


def _room(parent: Path) -> tuple[Path, Path]:
    """Make the folders of a checkout: that of its tree, and the writable one beside it."""
    root, scratch = parent / "tree", parent / "scratch"
    for folder in (root, scratch / "home", scratch / "tmp"):
        folder.mkdir(parents=True)
    return root, scratch


def _overlay(root: Path, files: Mapping[str, bytes | None]) -> None:
    for path, content in files.items():
        target = root / path
        _inside(root, target)
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target)
        if content is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _inside(root: Path, target: Path) -> None:
    """Refuse a path whose folders lead out of the checkout by a link."""
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise SnapshotRefused(
            f"path {target.relative_to(root).as_posix()!r} leaves the checkout by a symlink",
            hint="Replace the link by a plain folder.",
        )


def _stamps(root: Path) -> dict[str, _Stamp]:
    """Give size, inode change time and inode of every file below `root`, by relative path."""
    out: dict[str, _Stamp] = {}
    pending = [str(root)]
    cut = len(str(root)) + 1
    while pending:
        with os.scandir(pending.pop()) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    stat = entry.stat(follow_symlinks=False)
                    out[entry.path[cut:]] = (stat.st_size, stat.st_ctime_ns, stat.st_ino)
    return out


@contextlib.asynccontextmanager
async def scratch_folder(config: Config) -> AsyncIterator[Path]:
    """Make a scratch folder for one gate, and remove it when the gate ends, however it ends.

    Its lock is held meanwhile; folders of gates that died without removing theirs are removed first.
    """
    parent = config.cache_dir / SCRATCH
    await to_thread.run_sync(_sweep, parent)
    folder, held = await to_thread.run_sync(held_folder, parent, "gate-")
    try:
        # tools that look for their configuration in the folders above a checkout stop at this one
        (folder / "ruff.toml").write_text("", encoding="utf-8")
        yield folder
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_remove, folder)
        os.close(held)


def _sweep(parent: Path) -> None:
    """Remove what gates left behind whose process is gone."""
    for folder in parent.glob("gate-*"):
        with contextlib.suppress(OSError):
            if is_abandoned(folder):
                _remove(folder)


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):  # what cannot be removed is swept by a later gate
        remove_folder(folder)
