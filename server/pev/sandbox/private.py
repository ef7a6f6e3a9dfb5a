"""Folders for the temporary files of one command, where a mechanism has no /tmp of its own to give.

Each lies in a folder of ours, beside a lock that is held as long as the command runs; so what a killed server
left behind is told from what is in use, and removed by the next one.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pev.errors import SandboxUnavailable
from pev.repos.scratch import held_folder, is_abandoned, remove_folder

FOLDER: Final = "commands"
_PREFIX: Final = "pev-command-"


@contextlib.contextmanager
def private_folder(parent: Path | None) -> Iterator[Path]:
    """Give an empty folder of mode 0700 below `parent`, by default that for temporary files; remove it after.

    Folders of servers that are gone are removed first. Raises SandboxUnavailable.
    """
    try:
        place = parent or Path(tempfile.gettempdir())
        sweep(place)
        home, held = held_folder(place, _PREFIX)
        (home / "tmp").mkdir(mode=0o700)
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


def sweep(place: Path) -> None:
    """Remove what servers left behind that are gone; what others own stays."""
    for home in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            own = home.lstat().st_uid == os.geteuid() and not home.is_symlink()
            if own and is_abandoned(home):
                remove_folder(home)
