"""Folders for the temporary files of one command, where a mechanism has no /tmp of its own to give.

Each lies in a folder of ours, beside a lock that is held as long as the command runs; so what a killed server
left behind is told from what is in use, and removed by the next one.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pev.errors import SandboxUnavailable
from pev.repos.lock import is_locked, try_lock
from pev.repos.scratch import LOCK, remove_folder

FOLDER: Final = "commands"
_PREFIX: Final = "pev-command-"
_SETTLED_S: Final = 60.0  # between a folder and its lock


@contextlib.contextmanager
def private_folder(parent: Path | None) -> Iterator[Path]:
    """Give an empty folder of mode 0700 below `parent`, by default that for temporary files; remove it after.

    Folders of servers that are gone are removed first. Raises SandboxUnavailable.
    """
    try:
        home, held = _made(parent)
    except OSError as exc:
        raise SandboxUnavailable(
            f"no folder for temporary files can be made: {exc}", hint="Make room, or set PEV_CACHE_DIR."
        ) from exc
    try:
        yield home / "tmp"
    finally:
        with contextlib.suppress(OSError):  # what cannot be removed now is swept later
            remove_folder(home)
        os.close(held)


def _made(parent: Path | None) -> tuple[Path, int]:
    place = parent or Path(tempfile.gettempdir())
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(place)
    while True:
        home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        held = try_lock(home / LOCK)
        if held is not None:  # otherwise another server has just swept it
            (home / "tmp").mkdir(mode=0o700)
            return home, held


def sweep(place: Path) -> None:
    """Remove what servers left behind that are gone; what others own stays."""
    for home in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = home.lstat()
            new = time.time() - found.st_mtime < _SETTLED_S and not (home / LOCK).exists()
            if (
                found.st_uid == os.geteuid()
                and not home.is_symlink()
                and not new
                and not is_locked(home / LOCK)
            ):
                remove_folder(home)
