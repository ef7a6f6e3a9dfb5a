"""Reads lock files of several tools: which versions they name, and from where they take them.

Known are uv.lock, poetry.lock, pdm.lock, pylock.toml (PEP 751) and Pipfile.lock.
"""

import json
import tomllib
from collections.abc import Iterator
from posixpath import normpath
from typing import Any, Final

from packaging.utils import canonicalize_name
from packaging.version import Version
from pydantic import Field

from pev.models import Model

OTHERS: Final = ("poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
# these lock what pyproject.toml declares, and environments are built with their versions
WHOLE: Final = frozenset({"uv.lock", "poetry.lock", "pdm.lock"})
_FOLDERS: Final = ("directory", "editable", "virtual")
_DIRECT: Final = ("git", "hg", "svn", "bzr", "vcs", "url", "path", "file", "archive")


class Lock(Model):
    """What a lock file says: names to versions from an index, other origins, and the indexes."""

    versions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    direct: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()


class _Package(Model):
    """One entry; `kind` is "" for a package from an index, whose address is `origin`."""

    name: str
    version: str
    kind: str = ""
    origin: str = ""


def read_lock(name: str, raw: bytes, folder: str = ".") -> Lock:
    """Read a lock file by its name, in a folder of the repository. Raises ValueError if it cannot be read."""
    table: Any = json.loads(raw) if name == "Pipfile.lock" else tomllib.loads(raw.decode("utf-8"))
    versions: dict[str, set[str]] = {}
    direct: dict[str, None] = {}
    indexes: dict[str, None] = {}
    for one in _packages(table if isinstance(table, dict) else {}, name):
        if one.kind in _FOLDERS and not _leads_out(folder, one.origin):
            continue  # a part of this repository, which the gate sees
        if one.kind:
            direct[f"{one.name} @ {one.kind} {one.origin} (locked)"] = None
        elif one.version:
            versions.setdefault(one.name, set()).add(str(Version(one.version)))
            if one.origin:
                indexes[f"{name} registry {one.origin}"] = None
    found = {key: tuple(sorted(values)) for key, values in sorted(versions.items())}
    return Lock(versions=found, direct=tuple(direct), indexes=tuple(indexes))


def _leads_out(folder: str, origin: str) -> bool:
    plain = origin.replace("\\", "/")
    inside = normpath(f"{folder}/{plain}")
    return plain.startswith(("/", "~")) or inside == ".." or inside.startswith("../") or ":" in plain


def _packages(table: dict[str, Any], name: str) -> Iterator[_Package]:
    if name == "Pipfile.lock":
        for section in ("default", "develop"):
            own = table.get(section)
            for key, entry in (own if isinstance(own, dict) else {}).items():
                yield _package({"name": key, **entry} if isinstance(entry, dict) else {"name": key})
        return
    entries = table.get("packages" if name == "pylock.toml" else "package")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and "name" in entry:
            yield _package(entry)


def _package(entry: dict[str, Any]) -> _Package:
    """Read one entry; what says where it comes from is beside its name, or in a table `source`."""
    name = canonicalize_name(str(entry.get("name")), validate=True)
    version = str(entry.get("version") or "").removeprefix("==")
    source = entry.get("source")
    if isinstance(source, dict) and "type" in source:  # poetry
        kind, origin = str(source["type"]), str(source.get("url", ""))
        return _Package(name=name, version=version, kind="" if kind == "legacy" else kind, origin=origin)
    given = source if isinstance(source, dict) else entry
    kind = next((key for key in (*_FOLDERS, *_DIRECT) if given.get(key)), "")
    origin = _origin(given.get(kind) if kind else given.get("registry") or given.get("index") or "")
    if kind == "editable" and given.get("path"):  # pipenv and pdm say true beside a path
        origin = _origin(given["path"])
    return _Package(name=name, version=version, kind=kind, origin=origin)


def _origin(value: Any) -> str:
    """Give an address; pipenv writes the name of an index, which is `pypi` unless its Pipfile says more."""
    if isinstance(value, dict):
        return str(next((value[key] for key in ("url", "path") if value.get(key)), ""))
    return "" if value == "pypi" else str(value or "")
