"""What a place of a repository asks for in packages, and what locks them, on both sides of a change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pev.gate.demands import joined
from pev.gate.faces import belongs_to_tests
from pev.gate.interface import CheckJob
from pev.gate.javascript.packages import (
    DEPENDENCIES,
    LOCK,
    MANIFEST,
    OTHER_LOCKS,
    SHRINKWRAP,
    Lock,
    declared,
    lock_root,
    read_json,
    read_lock,
    table_of,
)
from pev.gate.reading import reader_of
from pev.gate.requirements import ReadFile
from pev.repos.objects import Status

_FILES = {MANIFEST, LOCK, SHRINKWRAP, *OTHER_LOCKS}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one side asks for: `asked` by manifest, and the lock file, None if there is none that is read.

    `rooted` is what the lock file says that each manifest asks for. `raw` is everything, to tell whether
    anything changed. `fault` says what cannot be read.
    """

    asked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    lock: Lock | None = None
    lock_name: str = ""
    lock_folder: str = "."
    rooted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    raw: tuple[object, ...] = ()
    fault: str = ""

    @property
    def lock_path(self) -> str:
        """The lock file's path in the repository."""
        return joined(self.lock_folder, self.lock_name)

    def names(self) -> set[str]:
        """Give every package that is asked for or locked."""
        own = {name for asked in self.asked.values() for name in asked}
        return own | ({one.name for one in self.lock.packages} if self.lock is not None else set())

    def place_of(self, name: str) -> str | None:
        """Give the file that names a package."""
        found = next((path for path, asked in self.asked.items() if name in asked), None)
        locked = self.lock is not None and any(one.name == name for one in self.lock.packages)
        return found or (self.lock_path if locked else None)


@dataclass(frozen=True, slots=True)
class Sides:
    """One place on both sides; `old` is empty where there is no base."""

    root: str
    new: Asked
    old: Asked

    def equal(self) -> bool:
        """Say whether both sides ask for the same, and lock it alike."""
        return self.new.raw == self.old.raw


async def read_sides(job: CheckJob) -> list[Sides]:
    """Read the project, and other places of the change below it that ask for packages."""
    now = await reader_of(job.request.depot, job.tree)
    new = await _read(now, job.root)
    if job.base_tree is None:
        return [Sides(job.root, new, Asked())]
    before = await reader_of(job.request.depot, job.base_tree)
    out = [Sides(job.root, new, await _read(before, job.root))]
    settled = {joined(new.lock_folder, one) for one in (new.lock.members if new.lock is not None else ())}
    others = sorted(_places(job) - settled)
    return out + [Sides(one, await _read(now, one), await _read(before, one)) for one in others]


def _places(job: CheckJob) -> set[str]:
    """Give the folders with manifests that the change touches and no project answers for."""
    roots = {one.root for one in job.policy.projects if one.language is job.project.language}
    found = set()
    for change in job.changes:
        path = PurePosixPath(change.path)
        folder = path.parent.as_posix()
        mine = path.name in _FILES and change.status is not Status.DELETED and job.in_project(change.path)
        if (
            mine
            and folder not in roots
            and not belongs_to_tests(change.path)
            and "node_modules" not in path.parts
        ):
            nearest = max(
                (one for one in roots if one == "." or path.is_relative_to(one)), key=len, default=""
            )
            found |= {folder} if nearest == job.root else set()
    return found


async def _read(read: ReadFile, root: str) -> Asked:
    place = await lock_root(read, root)
    folder, name = place or (root, "")
    raw = await read(joined(folder, name)) if name else None
    lock = read_lock(raw) if raw is not None and name not in OTHER_LOCKS else None
    if lock is not None and not _locks(lock, folder, root):
        folder, name, raw, lock = root, "", None, None
    asked: dict[str, Mapping[str, str]] = {}
    overrides: list[str] = []
    fault = f"{joined(folder, name)}: {lock.fault}" if lock is not None and lock.fault else ""
    own = [root] if root == folder else [root, folder]
    members = [joined(folder, one) for one in lock.members] if lock is not None else []
    for one in dict.fromkeys([*own, *members]):
        path = joined(one, MANIFEST)
        manifest = read_json(await read(path))
        if manifest is None:
            fault = fault or f"{path} is not JSON"
            continue
        asked[path] = declared(manifest)
        overrides += [f"{path} {key}: {spec}" for key, spec in _overrides(manifest)]
    rooted = _rooted(raw, folder) if lock is not None else {}
    whole = (
        raw,
        tuple(sorted((path, tuple(sorted(one.items()))) for path, one in asked.items())),
        tuple(overrides),
    )
    return Asked(asked, tuple(overrides), lock, name, folder, rooted, whole, fault)


def _locks(lock: Lock, folder: str, root: str) -> bool:
    """Say whether a lock file is that of a project: one above it is, if it names the project as a member."""
    return root == folder or root in {joined(folder, one) for one in lock.members}


def _overrides(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the versions that a manifest forces upon other packages."""
    found: list[tuple[str, str]] = []
    pending = [("", table_of(manifest.get("overrides"))), ("", table_of(manifest.get("resolutions")))]
    while pending:
        prefix, table = pending.pop()
        for key, value in table.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict):
                pending.append((f"{name} > ", value))
            else:
                found.append((name, str(value)))
    return sorted(found)


def _rooted(raw: bytes | None, folder: str) -> dict[str, Mapping[str, str]]:
    """Give what a lock file says that each manifest asks for."""
    packages = table_of((read_json(raw) or {}).get("packages"))
    found: dict[str, Mapping[str, str]] = {}
    for place, entry in packages.items():
        if "node_modules/" not in place and not table_of(entry).get("link"):
            own: dict[str, str] = {}
            for key in DEPENDENCIES:
                own |= {str(name): str(spec) for name, spec in table_of(table_of(entry).get(key)).items()}
            found[joined(joined(folder, place) if place else folder, MANIFEST)] = own
    return found
