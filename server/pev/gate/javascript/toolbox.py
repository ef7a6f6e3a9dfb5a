"""Installs what JavaScript projects lock: once per lock file, in a cache of ours, without running any of it.

A checkout sees two installations in one `node_modules`: the packages that its own lock file names, and in
place of tools and of what their configuration brings in, those that the trusted ref locks.
"""

import contextlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anyio import to_thread

from pev.config import Config
from pev.errors import EnvironmentUnavailable, ProjectUnsupported, ToolMissing
from pev.gate.demands import EnvironmentSettings
from pev.gate.interface import Checkout, Depot, Toolbox, ToolboxMaker
from pev.gate.javascript.farm import plant
from pev.gate.javascript.npm import Npm, Versions
from pev.gate.javascript.packages import Lock, read_lock
from pev.gate.javascript.wanted import Wanted, read_wanted
from pev.models import ObjectId, hash_json
from pev.repos.lock import locked

_COMPLETE: Final = "pev-complete.json"
_LIMIT_S: Final = 900.0
_FAILURE_S: Final = 60.0
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBox(Toolbox):
    """Node and what is installed. `tools` is the `node_modules` of the trusted lock file, if it has one."""

    node: Path
    tools: Path | None
    versions: Mapping[str, str]

    def package(self, name: str) -> Path:
        """Give the folder of a tool. Raises ProjectUnsupported if the trusted ref does not lock it."""
        folder = self.tools / name if self.tools is not None else None
        if folder is None or not folder.is_dir():
            raise ProjectUnsupported(
                f"{name} is not in the lock file of the trusted ref",
                hint=f"Add {name} to devDependencies and lock it, or leave this check out of the policy.",
            )
        return folder

    def has(self, name: str) -> bool:
        """Say whether the trusted ref locks a tool."""
        return self.tools is not None and (self.tools / name).is_dir()


class NodeBoxes(ToolboxMaker):
    """Makes the toolboxes of JavaScript projects."""

    def __init__(self, config: Config) -> None:
        self._folder = config.cache_dir / "node"
        self._npm = Npm(self._folder)
        self._failed: dict[str, tuple[float, EnvironmentUnavailable]] = {}

    async def registry_host(self) -> str:
        """Give the host of the registry in force, "" if npm is not here."""
        with contextlib.suppress(EnvironmentUnavailable, ToolMissing):
            return (await self._npm.versions()).host
        return ""

    async def name(self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings) -> str:
        """Name what a project locks, and the node that runs it; "" if it cannot be had."""
        try:
            versions = await self._npm.versions()
            return _key(await read_wanted(depot, tree, root, versions.host), versions)
        except (EnvironmentUnavailable, ToolMissing):
            return ""

    async def fit(
        self, depot: Depot, checkout: Checkout, root: str, settings: EnvironmentSettings, trusted: ObjectId
    ) -> NodeBox:
        """Install what both trees lock, and show it to a checkout. Raises EnvironmentUnavailable."""
        try:
            versions = await self._npm.versions()
        except ToolMissing as exc:
            raise EnvironmentUnavailable(exc.message, hint="Install Node.js 20 or later, with npm.") from exc
        wanted = await read_wanted(depot, checkout.tree, root, versions.host)
        judging = await read_wanted(depot, trusted, root, versions.host)
        own = await self._install(wanted, versions)
        tools = await self._install(judging, versions)
        await to_thread.run_sync(plant, checkout.root, wanted, own, tools)
        modules = tools / "node_modules"
        return NodeBox(
            bins=(versions.program.parent,),
            readable=tuple(dict.fromkeys((own, tools, *_home_of(versions.program)))),
            key=hash_json([_key(wanted, versions), _key(judging, versions)]),
            node=versions.program,
            tools=modules if modules.is_dir() else None,
            versions={"node": versions.node, "npm": versions.npm},
        )

    async def resolved(
        self, depot: Depot, tree: ObjectId, root: str, settings: EnvironmentSettings
    ) -> set[tuple[str, str]]:
        """Give name and version of all that a project without a lock file gets, installed to find that out.

        Raises EnvironmentUnavailable, ToolMissing.
        """
        versions = await self._npm.versions()
        folder = await self._install(await read_wanted(depot, tree, root, versions.host), versions)
        return _installed(folder)

    async def _install(self, wanted: Wanted, versions: Versions) -> Path:
        """Give the folder in which everything is installed, made if it is not there."""
        key = _key(wanted, versions)
        folder = self._folder / "installed" / key[:32]
        if (folder / _COMPLETE).is_file():
            return folder
        failed = self._failed.get(key)
        if failed is not None and time.monotonic() - failed[0] < _FAILURE_S:
            raise EnvironmentUnavailable(failed[1].message, hint=failed[1].hint)
        async with locked(self._folder / "locks" / key[:32], limit_s=2 * _LIMIT_S):
            if not (folder / _COMPLETE).is_file():
                try:
                    await self._fill(folder, wanted)
                except EnvironmentUnavailable as exc:
                    self._failed[key] = (time.monotonic(), exc)  # asked several times in one gate
                    raise
        return folder

    async def _fill(self, folder: Path, wanted: Wanted) -> None:
        """Install into a folder of ours; the marker that is written last makes it count."""
        if folder.exists():
            await to_thread.run_sync(shutil.rmtree, folder)
        folder.mkdir(parents=True)
        for path, text in wanted.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        if wanted.packages:
            await self._run_npm(folder, wanted)
        marker = folder / f".{_COMPLETE}.{os.getpid()}"
        marker.write_text("{}", encoding="utf-8")
        marker.replace(folder / _COMPLETE)

    async def _run_npm(self, folder: Path, wanted: Wanted) -> None:
        """Install what is locked; without a lock file what is asked for.

        `npm ci` refuses a lock file in which optional packages for other machines are missing, as they are
        where the registry does not have them. Then a plain installation counts if all of it is locked.
        """
        words = ["ci"] if wanted.is_locked else ["install", "--package-lock=false"]
        try:
            if await self._npm.run(words, folder):
                await self._npm.run([*words, "--legacy-peer-deps"], folder)
        except EnvironmentUnavailable:
            if not wanted.is_locked:
                raise
            locked_pins = {one.pin for one in read_lock(wanted.lock_text().encode()).packages}
            await self._npm.run(["install", "--no-save"], folder)
            if not _installed(folder) <= locked_pins:
                raise


def _installed(folder: Path) -> set[tuple[str, str]]:
    """Give name and version of everything that npm says it installed."""
    hidden = folder / "node_modules" / ".package-lock.json"
    lock = read_lock(hidden.read_bytes()) if hidden.is_file() else Lock()
    return {one.pin for one in lock.packages}


def _key(wanted: Wanted, versions: Versions) -> str:
    machine = [sys.platform, platform.machine()]
    return hash_json([_FORMAT, wanted.files, versions.node, versions.npm, versions.registry, machine])


def _home_of(program: Path) -> Iterator[Path]:
    """Give the folder that node is installed in, unless it is the system's own."""
    home = program.parent.parent
    if home not in (Path("/usr"), Path("/"), Path("/usr/local")):
        yield home
