"""Control groups: bound the memory and the processes of a command together, where we may make groups.

Version 2 and version 1 are known. Where no group can be made, `Nursery.find` says so by giving none, and
limits per process are what remains.
"""

import atexit
import contextlib
import functools
import itertools
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pev.sandbox.limits import Limits

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")
_SETTLE_S: Final = 1.0
_V2: Final = {"memory": ("memory.max", "memory.swap.max", "memory.oom.group"), "pids": ("pids.max",)}
SHELL: Final = "/bin/sh"
_ENTER: Final = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"'
_count = itertools.count()


@dataclass(frozen=True, slots=True)
class Group:
    """The control groups of one command: one folder in version 2, one for each controller in version 1."""

    folders: tuple[Path, ...]
    version: int

    @property
    def entrances(self) -> tuple[str, ...]:
        """The files in which a process writes 0 to enter.

        A single thread that moves itself needs no grace period of the kernel, which takes milliseconds;
        version 2 has no such way in.
        """
        name = "tasks" if self.version == 1 else "cgroup.procs"
        return tuple(str(folder / name) for folder in self.folders)

    def entering(self, argv: Sequence[str]) -> list[str]:
        """Give the arguments of a program that enters the group, or fails, and then becomes another."""
        return [SHELL, "-c", _ENTER, "sh", *self.entrances, "--", *argv]

    def members(self) -> list[int]:
        """List the processes in the group."""
        found = []
        for folder in self.folders[:1]:
            with contextlib.suppress(OSError):
                found += [int(word) for word in (folder / "cgroup.procs").read_text().split()]
        return found

    def remove(self) -> None:
        """Remove the group, or leave it to the next one that is made: the kernel may still count the dead."""
        if not self.gone():
            _left.append(self)

    def gone(self) -> bool:
        """Try to remove the group once, and say whether it is gone."""
        for folder in self.folders:
            with contextlib.suppress(FileNotFoundError):
                try:
                    folder.rmdir()
                except PermissionError:
                    continue
                except OSError:
                    return False
        return True


_left: list[Group] = []


def _clear() -> None:
    """Remove what could not be removed before."""
    _left[:] = [group for group in _left if not group.gone()]


@atexit.register
def _clear_at_exit() -> None:
    end = time.monotonic() + _SETTLE_S
    while _left and time.monotonic() < end:
        _clear()
        time.sleep(0.001 * bool(_left))


@dataclass(frozen=True, slots=True)
class Nursery:
    """Where groups can be made. `parents` maps controllers to folders; in version 2 to the same one."""

    parents: dict[str, Path]
    version: int

    @property
    def counts_processes(self) -> bool:
        """Whether groups made here bound the number of processes."""
        return "pids" in self.parents

    @property
    def counts_memory(self) -> bool:
        """Whether groups made here bound the memory."""
        return "memory" in self.parents

    def make(self, limits: Limits) -> Group:
        """Make a group with limits. Raises OSError."""
        _clear()
        name = f"{_prefix()}{os.getpid()}-{next(_count)}"
        folders = tuple(dict.fromkeys(parent / name for parent in self.parents.values()))
        group = Group(folders, self.version)
        try:
            for folder in folders:
                folder.mkdir()
            for file, value in self._values(limits):
                _write(folders, file, value)
        except OSError:
            group.remove()
            raise
        return group

    def _values(self, limits: Limits) -> Iterator[tuple[str, str]]:
        if "memory" in self.parents and self.version == 2:
            yield "memory.max", str(limits.memory)
            yield "memory.swap.max", "0"
            yield "memory.oom.group", "1"
        elif "memory" in self.parents:
            yield "memory.limit_in_bytes", str(limits.memory)
            yield "memory.memsw.limit_in_bytes", str(limits.memory)
        if "pids" in self.parents:
            yield "pids.max", str(limits.processes)

    def sweep(self) -> None:
        """Kill what servers that are gone have left behind, and remove their groups."""
        for parent in set(self.parents.values()):
            for folder in parent.glob(f"{_prefix()}*"):
                with contextlib.suppress(OSError, ValueError):
                    if not _alive(int(folder.name.split("-")[2])):
                        for pid in Group((folder,), self.version).members():
                            os.kill(pid, signal.SIGKILL)
                        folder.rmdir()

    @classmethod
    def find(cls, root: Path = _ROOT, own: Path = _OWN) -> "Nursery | None":
        """Find where this process may make groups, by making one; None if nowhere."""
        try:
            lines = [line.split(":", 2) for line in own.read_text().splitlines()]
        except OSError:
            return None
        found = cls._version_1(root, lines) or cls._version_2(root, lines)
        if found is not None:
            found.sweep()
            try:
                found.make(Limits()).remove()
            except OSError:
                return None
        return found

    @classmethod
    def _version_1(cls, root: Path, lines: list[list[str]]) -> "Nursery | None":
        parents = {}
        for _, controllers, path in lines:
            for one in {"memory", "pids"} & set(controllers.split(",")):
                folder = root / controllers / path.lstrip("/")
                if os.access(folder, os.W_OK):
                    parents[one] = folder
        return cls(parents, 1) if parents else None

    @classmethod
    def _version_2(cls, root: Path, lines: list[list[str]]) -> "Nursery | None":
        paths = [path for number, controllers, path in lines if number == "0" and not controllers]
        if not paths or not (root / "cgroup.controllers").is_file():
            return None
        mine = root / paths[0].lstrip("/")
        # a group that holds processes cannot share its controllers out: then ours are made beside it
        for folder in (mine, mine.parent):
            with contextlib.suppress(OSError):
                given = set((folder / "cgroup.subtree_control").read_text().split())
                usable = given & _V2.keys()
                if usable and os.access(folder, os.W_OK) and folder.is_relative_to(root):
                    return cls(dict.fromkeys(sorted(usable), folder), 2)
        return None


@functools.cache
def _prefix() -> str:
    """Name our groups after the process namespace: in another one, a process id is somebody else's."""
    return f"pev-{Path('/proc/self/ns/pid').stat().st_ino}-"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write(folders: tuple[Path, ...], file: str, value: str) -> None:
    """Write a limit where its file is; swap accounting is not in every kernel."""
    places = [folder / file for folder in folders if (folder / file).exists()]
    if not places and "sw" not in file and "oom" not in file:
        raise FileNotFoundError(file)
    for place in places:
        place.write_text(value)
