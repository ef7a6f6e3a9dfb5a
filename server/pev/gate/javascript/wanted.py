"""Works out what is to be installed for a project of a tree: manifests and lock file, made bare."""

import json
from pathlib import PurePosixPath
from typing import Final

from pydantic import Field

from pev.errors import ProjectUnsupported
from pev.gate.demands import joined
from pev.gate.interface import Depot
from pev.gate.javascript.packages import (
    DEPENDENCIES,
    LOCK,
    MANIFEST,
    OTHER_LOCKS,
    SHRINKWRAP,
    bare_lock,
    bare_manifest,
    declared,
    is_foreign,
    lock_root,
    read_json,
    read_lock,
)
from pev.gate.reading import reader_of
from pev.gate.requirements import ReadFile
from pev.models import Model

_ASKED_FOR: Final = (*DEPENDENCIES, "peerDependencies")


class Wanted(Model):
    """What is installed together: `files` by their path below `root`, the folder of the lock file.

    `members` are the folders of workspaces below it, with the names of their packages.
    """

    root: str
    files: dict[str, str] = Field(default_factory=dict)
    is_locked: bool = False
    packages: bool = False
    members: dict[str, str] = Field(default_factory=dict)

    def lock_text(self) -> str:
        """Give the lock file, "" if there is none."""
        return next((self.files[name] for name in (SHRINKWRAP, LOCK) if name in self.files), "")


async def read_wanted(depot: Depot, tree: str, root: str, host: str) -> Wanted:
    """Read what a project needs.

    Raises ProjectUnsupported if it cannot come from the registry at `host`.
    """
    read = await reader_of(depot, tree)
    place = await lock_root(read, root)
    if place is None:
        return await _unlocked(read, root)
    folder, name = place
    if name in OTHER_LOCKS:
        raise ProjectUnsupported(
            f"{joined(folder, name)} is a lock file of {OTHER_LOCKS[name]}, which is not read",
            hint="Commit a package-lock.json (npm install --package-lock-only), or use checks of your own.",
        )
    raw = await read(joined(folder, name)) or b""
    lock = read_lock(raw)
    if lock.fault:
        raise ProjectUnsupported(f"{joined(folder, name)}: {lock.fault}", hint="Lock again with npm.")
    away = next((one for one in lock.packages if not one.is_registry), None)
    if away is not None:
        raise ProjectUnsupported(
            f"{away.name} is locked to {away.resolved!r}, which is no registry",
            hint="Only released packages of the registry are installed: name a version.",
        )
    files, members = await _manifests(read, folder, ("", *lock.members))
    if root != folder and PurePosixPath(root).relative_to(folder).as_posix() not in members:
        return await _unlocked(read, root)
    files[name] = _text(bare_lock(read_json(raw) or {}, host))
    return Wanted(root=folder, files=files, is_locked=True, packages=bool(lock.packages), members=members)


async def _unlocked(read: ReadFile, root: str) -> Wanted:
    """Give what a project without a lock file declares; it is resolved when it is installed first."""
    files, _ = await _manifests(read, root, ("",))
    wanted = read_json(files.get(MANIFEST, "{}").encode()) or {}
    return Wanted(root=root, files=files, packages=any(wanted.get(key) for key in _ASKED_FOR))


async def _manifests(
    read: ReadFile, folder: str, places: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, str]]:
    files: dict[str, str] = {}
    members: dict[str, str] = {}
    for place in places:
        path = joined(place, MANIFEST)
        manifest = read_json(await read(joined(folder, path)))
        if manifest is None:
            raise ProjectUnsupported(f"{joined(folder, path)} is not JSON", hint="Correct it.")
        for name, spec in declared(manifest).items():
            if is_foreign(spec):
                raise ProjectUnsupported(
                    f"{joined(folder, path)} asks for {name} from {spec!r}, which is no registry",
                    hint="Only released packages of the registry are installed: name a version.",
                )
        files[path] = _text(bare_manifest(manifest))
        if place:
            members[place] = str(manifest.get("name") or "")
    return files, members


def _text(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True)
