"""Reads `Cargo.lock` and what manifests ask for, as data."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

CENTRAL: Final = "registry+https://github.com/rust-lang/crates.io-index"
"""How a lock file names the central registry, whatever mirror it is taken from."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+[0-9A-Za-z.+-]*")
_CHECKSUM: Final = re.compile(r"[0-9a-f]{64}")
_TABLES: Final = ("dependencies", "dev-dependencies", "build-dependencies")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock file. No `source` means that it lies in the repository."""

    name: str
    version: str
    source: str = ""
    checksum: str = ""
    needs: tuple[str, ...] = ()

    @property
    def central(self) -> bool:
        """Whether it comes from the central registry."""
        return self.source == CENTRAL

    @property
    def sound(self) -> bool:
        """Whether name, version and checksum are what they should be."""
        plain = _NAME.fullmatch(self.name) and _VERSION.fullmatch(self.version)
        return bool(plain and (not self.source or not self.central or _CHECKSUM.fullmatch(self.checksum)))


def load(raw: bytes | None) -> dict[str, Any] | None:
    """Read TOML; None if it is none. What is not there is empty."""
    try:
        return tomllib.loads((raw or b"").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None


def read_lock(raw: bytes | None) -> tuple[Locked, ...] | None:
    """List the packages of a lock file; None if it cannot be read."""
    table = load(raw)
    rows = table.get("package", []) if table is not None else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    out = []
    for row in rows:
        fields = {key: row.get(key, "") for key in ("name", "version", "source", "checksum")}
        needs = row.get("dependencies", [])
        if not all(isinstance(one, str) for one in fields.values()) or not isinstance(needs, list):
            return None
        out.append(Locked(**fields, needs=tuple(map(str, needs))))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Asked:
    """One dependency that a manifest asks for: the name of the package, and how."""

    manifest: str
    name: str
    how: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Where else than from the central registry it is to come from, or ""."""
        return next((key for key in ("git", "registry", "registry-index", "path") if self.how.get(key)), "")

    def leaves(self) -> bool:
        """Say whether it is a path that leads out of the repository."""
        path = self.how.get("path")
        if not isinstance(path, str):
            return False
        depth = len(PurePosixPath(self.manifest).parts) - 1
        for part in PurePosixPath(path).parts:
            depth += -1 if part == ".." else 0 if part == "." else 1
            if depth < 0:
                return True
        return path.startswith("/")


def read_asked(manifest: str, raw: bytes | None) -> tuple[Asked, ...] | None:
    """List the dependencies that a manifest asks for, of all targets; None if it cannot be read."""
    table = load(raw)
    if table is None:
        return None
    places = [
        table,
        *_dicts((table.get("target") or {}).values() if isinstance(table.get("target"), dict) else ()),
    ]
    places += _dicts([table.get("workspace")])
    out = []
    for place in places:
        for key in _TABLES:
            found = place.get(key)
            for name, how in found.items() if isinstance(found, dict) else ():
                row = how if isinstance(how, dict) else {"version": how}
                if not row.get("workspace"):
                    out.append(Asked(manifest, str(row.get("package", name)), row))
    return tuple(out)


def _dicts(values: Iterable[Any]) -> list[dict[str, Any]]:
    return [one for one in values if isinstance(one, dict)]
