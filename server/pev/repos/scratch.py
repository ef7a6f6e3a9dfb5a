"""Scratch folders: private, held by a lock while they are used, and told from what a crash left behind."""

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from pev.repos.holders import find_holders
from pev.repos.lock import is_locked, new_lock
from pev.repos.storage import storing
from pev.repos.store import ObjectStore

LOCK: Final = "lock"
_UNUSED_S: Final = 86_400.0


def held_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    """Make an empty folder of mode 0700 below `parent`; give it with a descriptor that holds its lock.

    Remove the folder, then close the descriptor. Raises OSError.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    return home, new_lock(home / LOCK)


def is_abandoned(folder: Path) -> bool:
    """Say whether the maker of a held folder is dead, or whether one without a lock lay unused for a day."""
    if (folder / LOCK).exists():
        return not is_locked(folder / LOCK)
    return time.time() - folder.stat().st_mtime > _UNUSED_S and not find_holders(folder)


@asynccontextmanager
async def scratch_checkout(store: ObjectStore, tree: str, under: Path) -> AsyncIterator[Path]:
    """Write a tree into a fresh folder of mode 0700 below `under`; give its path; remove it at the end.

    The folder is named `tree` and lies alone in another, whose lock is held meanwhile: what a crash leaves
    behind is told from what is in use. Raises SnapshotRefused as `ObjectStore.materialise` does.
    """
    with storing(under):
        home, held = await anyio.to_thread.run_sync(held_folder, under, "scratch-")
    try:
        checkout = home / "tree"
        checkout.mkdir(mode=0o700)
        await store.materialise(tree, checkout)
        yield checkout
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(remove_folder, home)
        os.close(held)


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, unwritable folders included; links are not followed.

    Nothing happens if it is absent. Raises OSError if something cannot be removed.
    """

    def unlock(act: Callable[..., Any], name: str, info: Any) -> None:
        if isinstance(info[1], FileNotFoundError):
            return
        for path in (Path(name).parent, Path(name)):
            if not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)
        if act in (os.unlink, os.rmdir):
            act(name)
        else:
            shutil.rmtree(name)

    shutil.rmtree(folder, onerror=unlock)
