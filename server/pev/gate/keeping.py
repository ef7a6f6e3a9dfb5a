"""Folders that are kept between gates: made once, under the hash of everything that they depend on.

What is in one comes from PEV and from the operator's machine alone, never from a change that is judged: the
next change is judged with it. Whoever uses one copies it.
"""

import contextlib
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from anyio import to_thread

from pev.models import Digest
from pev.repos.lock import locked
from pev.repos.scratch import held_folder, is_abandoned, remove_folder

MAX_KEPT: Final = 24
"""How many folders one place keeps; those that were longest not used go."""
_MAKING: Final = "making-"
_LIMIT_S: Final = 120.0


class Keeping:
    """The folders that are kept in one place, for all processes of PEV."""

    def __init__(self, place: Path) -> None:
        self._place = place

    async def copy(self, key: Digest, target: Path, make: Callable[[], Awaitable[Path | None]]) -> bool:
        """Copy what is kept under a key to `target`, which is not there yet.

        If nothing was ever made under it, `make` gives a folder to keep, or None if there is none to be had:
        that is remembered, too. False, and no `target`, where nothing is kept. Raises what `make` raises, and
        CommandTimedOut if another process takes minutes to make it.
        """
        kept = self._place / key
        if not kept.is_dir():
            async with locked(self._place / f"{key}.lock", limit_s=_LIMIT_S, passing=True):
                if not kept.is_dir():
                    await self._keep(kept, await make())
        return await to_thread.run_sync(_copy, kept, target)

    async def _keep(self, kept: Path, made: Path | None) -> None:
        await to_thread.run_sync(self._sweep)
        home, held = await to_thread.run_sync(held_folder, self._place, _MAKING)
        try:
            content = home / "content"
            if made is None:
                content.mkdir(mode=0o700)
            else:
                await to_thread.run_sync(shutil.copytree, made, content)
            content.rename(kept)
        finally:
            await to_thread.run_sync(remove_folder, home)
            os.close(held)

    def _sweep(self) -> None:
        folders = [one for one in self._place.iterdir() if one.is_dir()]
        kept = sorted((one for one in folders if not one.name.startswith(_MAKING)), key=_last_use)
        gone = [one for one in folders if one.name.startswith(_MAKING) and is_abandoned(one)]
        for one in (*gone, *kept[: -(MAX_KEPT - 1)]):
            with contextlib.suppress(OSError):
                remove_folder(one)


def _last_use(kept: Path) -> float:
    try:
        return kept.stat().st_mtime
    except OSError:
        return 0.0


def _copy(kept: Path, target: Path) -> bool:
    try:
        os.utime(kept)
        if not any(kept.iterdir()):
            return False
        shutil.copytree(kept, target)
    except (OSError, shutil.Error):  # it was swept while it was read
        remove_folder(target)
        return False
    return True
