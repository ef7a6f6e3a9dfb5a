"""Which live processes stand in a folder or hold a file in it open, as Linux tells in /proc (proc(5))."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_LINKS: Final = ("cwd", "root", "exe")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that uses a folder: `what` is the file or folder that it has there."""

    pid: int
    name: str
    what: str

    def __str__(self) -> str:
        """Name it as a person would look for it."""
        return f"process {self.pid} ({self.name}) at {self.what}"


def find_holders(folder: Path, *, but: str = "") -> tuple[Holder, ...]:
    """Give the processes whose working directory or some open file lies in `folder`, each once.

    The file `but` right in the folder does not count. Processes of other users can be seen only by root.
    Where there is no /proc nothing is found.
    """
    if not _PROC.is_dir():
        return ()
    inside = folder.resolve()
    processes = [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    held = ((entry, _held(entry, inside, but)) for entry in processes)
    found = [Holder(int(entry.name), _name_of(entry), what) for entry, what in held if what is not None]
    return tuple(sorted(found, key=lambda one: one.pid))


def _held(process: Path, inside: Path, but: str) -> str | None:
    for link in (*(process / name for name in _LINKS), *_descriptors(process)):
        try:
            target = link.readlink()
        except OSError:
            continue
        if target.is_relative_to(inside) and target != inside / (but or ".none"):
            return str(target)
    return None


def _descriptors(process: Path) -> list[Path]:
    try:
        return list((process / "fd").iterdir())
    except OSError:
        return []


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "unknown"
