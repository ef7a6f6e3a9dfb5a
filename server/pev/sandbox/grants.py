"""What of the file system a command may see: the system's programs, what was granted, and nothing else.

`plan` turns a command's grants into an ordered list of mounts. The deepest grant decides; folders that must
stay hidden are covered where a grant would show them; a `.git` at the top of a granted folder is covered.
"""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pev.errors import InvalidInput, SandboxUnavailable
from pev.sandbox.interface import Command

OWN_ETC: Final = Path(__file__).with_name("etc")
BLANK: Final = OWN_ETC / "empty"
_SYSTEM: Final = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
)
_ETC_FOLDERS: Final = (
    "alternatives",
    "ssl/certs",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "crypto-policies",
)
# each mount costs time, a copy in memory costs next to none
_ETC_FILES: Final = ("ld.so.cache", "localtime", "protocols", "services", "mime.types", "ssl/openssl.cnf")
_OWN_FILES: Final = ("passwd", "group", "hosts", "nsswitch.conf")


class Show(StrEnum):
    """How a path is shown inside."""

    READ = "read"
    WRITE = "write"
    EMPTY = "empty"
    BLANK = "blank"
    COPY = "copy"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Mount:
    """One path inside. `source` is the host's path, or the target of a link."""

    show: Show
    dest: Path
    source: Path


def system_mounts() -> tuple[Mount, ...]:
    """List what every command sees of the system: programs, libraries, certificates, all read-only."""
    out = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            out.append(Mount(Show.LINK, path, path.readlink()))
        elif path.is_dir():
            out.append(Mount(Show.READ, path, path))
    etc = Path("/etc")
    out += [Mount(Show.READ, etc / name, etc / name) for name in _ETC_FOLDERS if (etc / name).is_dir()]
    out += [Mount(Show.COPY, etc / name, etc / name) for name in _ETC_FILES if (etc / name).is_file()]
    return (*out, *(Mount(Show.COPY, etc / name, OWN_ETC / name) for name in _OWN_FILES))


def system_folders() -> tuple[Path, ...]:
    """List the folders of programs, libraries and certificates, links resolved."""
    folders = [Path(name) for name in _SYSTEM] + [Path("/etc") / name for name in _ETC_FOLDERS]
    return tuple(dict.fromkeys(path.resolve() for path in folders if path.is_dir()))


def plan(
    command: Command, hidden: Iterable[Path], system: Sequence[Mount] | None = None
) -> tuple[Mount, ...]:
    """Order the mounts of a command, those of outer folders first.

    Raises InvalidInput for a grant that is not absolute, the root, or absent, and SandboxUnavailable for one
    that would show a hidden folder itself, or that a link inside another grant leads out of.
    """
    grants = _granted(command)
    places: dict[Path, Mount] = {one.dest: one for one in (system_mounts() if system is None else system)}
    for path in _existing(hidden):
        if path in grants:
            raise SandboxUnavailable(
                f"{path} holds what commands must not see, and would be shown to one",
                hint="Keep Python, worktrees and caches in folders of their own, below your home.",
            )
        if any(path.is_relative_to(one) for one in (*grants, *places)):
            places[path] = Mount(Show.EMPTY, path, path)
    for path, show in grants.items():
        places[path] = Mount(show, path, path)
    for path in grants:
        if (mask := _git_mask(path / ".git")) is not None and mask.dest not in grants:
            places[mask.dest] = mask
    ordered = sorted(places.values(), key=lambda one: (len(one.dest.parts), one.dest))
    return tuple(one for one in ordered if not _follows(one, places))


def _granted(command: Command) -> dict[Path, Show]:
    grants: dict[Path, Show] = {}
    for paths, show in ((command.readable, Show.READ), (command.writable, Show.WRITE)):
        for path in paths:
            for one in dict.fromkeys((_normal(path), Path(os.path.realpath(path)))):
                if one == Path("/"):
                    raise InvalidInput(
                        "the root cannot be granted to a command", hint="Name the folder that it needs."
                    )
                grants[one] = show
    for path in grants:
        _refuse_planted(path, command)
        if not os.access(path, os.F_OK):
            raise InvalidInput(f"{path} is granted to a command and is not there", hint="Make it first.")
    return grants


def _normal(path: Path) -> Path:
    if not path.is_absolute() or "\0" in str(path):
        raise InvalidInput(f"{str(path)!r} is no absolute path", hint="Grant absolute paths.")
    return Path(os.path.normpath(path))


def _refuse_planted(path: Path, command: Command) -> None:
    """Refuse a grant that a link in a writable folder leads away: a command may have planted it."""
    for root in command.writable:
        if path != root and path.is_relative_to(root):
            inner = Path(os.path.realpath(root)) / path.relative_to(root)
            if Path(os.path.realpath(path)) != inner:
                raise SandboxUnavailable(
                    f"{path} leads elsewhere by a link", hint="Replace the link by a plain folder."
                )


def _existing(hidden: Iterable[Path]) -> list[Path]:
    both = {one for path in hidden for one in (_normal(path), Path(os.path.realpath(path)))}
    return sorted(path for path in both if path != Path("/") and path.is_dir())


def _git_mask(path: Path) -> Mount | None:
    """Cover a `.git`; a link needs no cover, for what it leads to is not shown."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISDIR(mode):
        return Mount(Show.EMPTY, path, path)
    return None if stat.S_ISLNK(mode) else Mount(Show.BLANK, path, BLANK)


def _follows(one: Mount, places: Mapping[Path, Mount]) -> bool:
    """Say whether a mount changes nothing: the nearest one around it shows the same in the same way."""
    if one.show not in (Show.READ, Show.WRITE) or one.source != one.dest:
        return False
    nearest = next((places[path] for path in one.dest.parents if path in places), None)
    return nearest is not None and nearest.show is one.show and nearest.source == nearest.dest
