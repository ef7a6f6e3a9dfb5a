"""Reads what a JavaScript project declares and what its lock file says, as data.

`package.json` and `package-lock.json` (versions 2 and 3) of npm. What is written down for installing holds
nothing that runs: no scripts, no settings, and no address to fetch from but those that the operator chose.
"""

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from pev.gate.demands import joined
from pev.gate.requirements import ReadFile
from pev.models import Model

MANIFEST: Final = "package.json"
LOCK: Final = "package-lock.json"
SHRINKWRAP: Final = "npm-shrinkwrap.json"
OTHER_LOCKS: Final = {"yarn.lock": "yarn", "pnpm-lock.yaml": "pnpm", "bun.lock": "bun", "bun.lockb": "bun"}
DEPENDENCIES: Final = ("dependencies", "devDependencies", "optionalDependencies")
_INSTALLED: Final = (
    "name",
    "version",
    *DEPENDENCIES,
    "peerDependencies",
    "peerDependenciesMeta",
    "overrides",
    "workspaces",
    "bundleDependencies",
    "bundledDependencies",
    "os",
    "cpu",
)
_FOREIGN: Final = (
    "git+",
    "git:",
    "github:",
    "gitlab:",
    "bitbucket:",
    "gist:",
    "file:",
    "http:",
    "https:",
    "ssh:",
)
_INSIDE: Final = "node_modules/"
_STEP: Final = r"(?!\.\.?(?:/|$))[^/\\\x00]+"
_PLACE: Final = re.compile(rf"(?:{_STEP}/)*{_STEP}")


class Locked(Model):
    """One entry of a lock file: a package at a place in the tree of folders."""

    name: str
    version: str
    place: str
    resolved: str = ""
    integrity: str = ""
    has_script: bool = False
    bundled: bool = False

    @property
    def pin(self) -> tuple[str, str]:
        """Name and version, as an advisory service is asked about them."""
        return (self.name, self.version)

    @property
    def host(self) -> str:
        """The host that it is fetched from, "" if the lock file names none."""
        return urlsplit(self.resolved).hostname or "" if self.resolved.startswith("http") else ""

    @property
    def is_registry(self) -> bool:
        """Whether it comes from a registry, as far as the lock file says."""
        return not self.resolved or self.host != ""


class Lock(Model):
    """A lock file. `members` are the folders of workspaces; `fault` says why it cannot be read."""

    packages: tuple[Locked, ...] = ()
    members: tuple[str, ...] = ()
    fault: str = ""


def read_json(raw: bytes | None) -> dict[str, Any] | None:
    """Give a JSON object, {} for no file, None if it is none."""
    if raw is None:
        return {}
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def table_of(value: Any) -> dict[str, Any]:
    """Give a value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def declared(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Give the packages that a manifest asks for, by name."""
    found: dict[str, str] = {}
    for key in DEPENDENCIES:
        found |= {str(name): str(spec) for name, spec in table_of(manifest.get(key)).items()}
    return found


def is_foreign(spec: str) -> bool:
    """Say whether a specifier names something that does not come from a registry.

    `owner/name` is short for a repository on a forge; a scope (`npm:@a/b@1`) is none.
    """
    text = spec.strip()
    if text.startswith(_FOREIGN):
        return True
    return "/" in text and not text.startswith(("npm:", "workspace:", "@"))


def read_lock(raw: bytes) -> Lock:
    """Read a lock file of npm."""
    value = read_json(raw)
    if value is None:
        return Lock(fault="it is not JSON")
    packages = value.get("packages")
    if value.get("lockfileVersion") not in (2, 3) or not isinstance(packages, dict):
        return Lock(
            fault=f"its version {value.get('lockfileVersion')!r} is not 2 or 3: lock again with npm 7"
        )
    found, members = [], []
    for place, entry in packages.items():
        if not isinstance(entry, dict):
            return Lock(fault=f"its entry {place!r} is no object")
        target = str(entry.get("resolved")) if entry.get("link") else place
        if place and not (_PLACE.fullmatch(place) and _PLACE.fullmatch(target)):
            return Lock(fault=f"its entry {place!r} leads out of the project")
        if entry.get("link") or not place:
            continue
        if _INSIDE not in place:
            members.append(str(place))
            continue
        found.append(
            Locked(
                name=str(entry.get("name") or place.rpartition(_INSIDE)[2]),
                version=str(entry.get("version") or ""),
                place=place,
                resolved=str(entry.get("resolved") or ""),
                integrity=str(entry.get("integrity") or ""),
                has_script=entry.get("hasInstallScript") is True,
                bundled=entry.get("inBundle") is True,
            )
        )
    return Lock(packages=tuple(found), members=tuple(sorted(members)))


def bare_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Give of a manifest what installing needs, and nothing that runs."""
    return {key: manifest[key] for key in _INSTALLED if key in manifest}


def bare_lock(value: Mapping[str, Any], host: str) -> dict[str, Any]:
    """Give a lock file whose packages are fetched from the operator's registry, at `host`, and nowhere else.

    Where a package is to be fetched from is left out unless it is that host: npm asks the registry in force
    by name and version then, and holds what it gets against the recorded hash.
    """
    packages = {}
    for place, entry in table_of(value.get("packages")).items():
        own = {key: one for key, one in table_of(entry).items() if key not in ("hasInstallScript", "funding")}
        resolved = own.get("resolved")
        if isinstance(resolved, str) and resolved.startswith("http") and urlsplit(resolved).hostname != host:
            del own["resolved"]
        packages[place] = (
            bare_manifest(own) if not place or (_INSIDE not in place and not own.get("link")) else own
        )
    return {
        **{key: value[key] for key in ("name", "version", "lockfileVersion", "requires") if key in value},
        "packages": packages,
    }


async def lock_root(read: ReadFile, root: str) -> tuple[str, str] | None:
    """Give the folder and the name of the lock file that a project is locked by: its own, or one above it."""
    for folder in (PurePosixPath(root), *PurePosixPath(root).parents):
        for name in (SHRINKWRAP, LOCK, *OTHER_LOCKS):
            if await read(joined(folder.as_posix(), name)) is not None:
                return folder.as_posix(), name
    return None
