"""Ignore rules of one tree: which new paths of a worktree they leave out.

The rules are all `.gitignore` files of that tree and nothing else, asked of git itself. So a worktree cannot
hide a file by a rule of its own.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import anyio

from pev.errors import CommandFailed
from pev.repos.objects import EXECUTABLE, FILE, Entry
from pev.repos.store import ObjectStore


class IgnoreRules:
    """The rules of one tree, asked in rounds; use as an async context manager.

    `more` are entries outside it whose rules count too: those of the sub-modules that stand in it.
    Its folder holds the `.gitignore` files alone, and the names of the folders that are asked about.
    """

    def __init__(self, store: ObjectStore, tree: str, more: tuple[Entry, ...] = ()) -> None:
        self._store = store
        self._tree = tree
        self._more = more
        self._folder: Path | None = None

    async def __aenter__(self) -> "IgnoreRules":
        """Start without touching the disk: most snapshots have no new path to ask about."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Remove the folder."""
        if self._folder is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(shutil.rmtree, self._folder)

    async def ignored(self, files: Iterable[str], folders: Iterable[str]) -> frozenset[str]:
        """Give those of the paths that the rules ignore, themselves or through a folder above."""
        # a folder of that name would stand where the rules are written
        folders = [folder for folder in folders if ".gitignore" not in folder.split("/")]
        asked = [*files, *folders]
        if not asked:
            return frozenset()
        if self._folder is None:
            self._folder = await self._write_rules()
        for folder in folders:
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        git = self._store.git.at(self._folder)
        done = await git.ignored(b"".join(b"./%b\0" % os.fsencode(path) for path in asked))
        if done.code not in (0, 1) or done.cut_bytes:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise CommandFailed(
                f"git check-ignore ended with exit code {done.code}: {said}", hint="Try again."
            )
        return frozenset(os.fsdecode(path[2:]) for path in done.stdout.split(b"\0")[:-1])

    async def _write_rules(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="ignore-", dir=self._store.scratch_dir))
        listed = (*await self._store.listing(self._tree), *self._more)
        rules = [
            entry
            for entry in listed
            if entry.path.rpartition("/")[2] == ".gitignore" and entry.mode in (FILE, EXECUTABLE)
        ]
        contents = await self._store.blobs(entry.oid for entry in rules)
        for entry in rules:
            (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / entry.path).write_bytes(contents[entry.oid])
        return folder
