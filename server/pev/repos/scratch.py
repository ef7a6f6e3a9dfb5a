"""Scratch checkouts: a tree written into a fresh private folder, and gone afterwards."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from pev.repos.lock import try_lock
from pev.repos.storage import storing
from pev.repos.store import ObjectStore

LOCK: Final = "lock"


@asynccontextmanager
async def scratch_checkout(store: ObjectStore, tree: str, under: Path) -> AsyncIterator[Path]:
    """Write a tree into a fresh folder of mode 0700 below `under`; give its path; remove it at the end.

    The folder is named `tree` and lies alone in another, whose lock is held meanwhile: what a crash leaves
    behind is told from what is in use. Raises SnapshotRefused as `ObjectStore.materialise` does.
    """
    with storing(under):
        under.mkdir(parents=True, exist_ok=True, mode=0o700)
    home = Path(await anyio.to_thread.run_sync(tempfile.mkdtemp, None, "scratch-", under))
    held = try_lock(home / LOCK)
    try:
        checkout = home / "tree"
        checkout.mkdir(mode=0o700)
        await store.materialise(tree, checkout)
        yield checkout
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(remove_folder, home)
        if held is not None:
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
