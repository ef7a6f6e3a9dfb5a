"""Remembers what bandit said of each file: it reads one at a time, so what did not change is not read again.

What is remembered stands under the version of bandit, its configuration and the paths that it is given, with
the hash of each file as the checkout showed it. Files that bandit could not read are always read again.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import join, normpath, relpath
from typing import Any, Final

from anyio import to_thread
from pydantic import Field

from pev.gate.interface import Bench, CheckJob, Side
from pev.models import Digest, Model, digest_of, hash_json

MAX_NAMED: Final = 400
"""How many files are named one by one; where more are new, bandit looks for them itself."""
_FORMAT: Final = "scanned by bandit, 1"
_OWN_SETTINGS: Final = ".bandit"

Rows = list[dict[str, Any]]


class Seen(Model):
    """What bandit said of a file."""

    digest: Digest
    rows: tuple[dict[str, Any], ...] = ()


class Scanned(Model):
    """What bandit said of the files of a project, by their path in it."""

    files: dict[str, Seen] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the checkout: its hash, and its path as bandit writes it."""

    digest: Digest
    named: str


class Memory:
    """What is known of the files of one checkout, and which of them bandit must read."""

    def __init__(self, bench: Bench, key: Digest, files: Mapping[str, _File], *known: Scanned) -> None:
        self._bench = bench
        self._key = key
        self._files = files
        self._kept = {
            path: one
            for some in known
            for path, one in some.files.items()
            if path in files and files[path].digest == one.digest
        }
        self.fresh = sorted(files.keys() - self._kept.keys())

    @classmethod
    async def of(cls, job: CheckJob, folder: Path, paths: Sequence[str], setup: list[Any]) -> "Memory | None":
        """Look what is known of the files below `paths` of a folder; None where that cannot be told.

        It cannot where bandit finds settings of its own among the files, which count for what it is given.
        `setup` is what else its answer depends on. Each side of a change has a memory, and both know both.
        """
        files = await to_thread.run_sync(_look, folder, paths)
        if files is None:
            return None
        same = [_FORMAT, str(job.request.depot.path), job.root, list(paths), *setup]
        keys = {side: hash_json([*same, side]) for side in Side}
        known = [await job.bench.recall(key, Scanned) or Scanned() for key in keys.values()]
        return cls(job.bench, keys[job.side], files, *known)

    @property
    def targets(self) -> list[str] | None:
        """The files that bandit must read; None if it had better look for them itself."""
        if not self._kept or len(self.fresh) > MAX_NAMED:
            return None
        return [self._files[path].named for path in self.fresh]

    async def complete(self, report: Mapping[str, Any], foreign: Mapping[str, str]) -> Rows:
        """Give what is known of the files that bandit did not read this time, and remember the others.

        `foreign` are files of ours that it read beside them.
        """
        read = self.fresh if self.targets is not None else sorted(self._files)
        kept = {path: one for path, one in self._kept.items() if path not in read}
        said: dict[str, Rows] = {path: [] for path in read}
        for row in report["results"]:
            name = str(row.get("filename"))
            if name not in foreign:
                said.setdefault(normpath(name), []).append(row)
        strange = {normpath(str(one)) for one in report["metrics"] if one not in (*foreign, "_totals")}
        if said.keys() <= self._files.keys() and strange <= self._files.keys():
            broken = {normpath(str(row.get("filename"))) for row in report["errors"]}
            new = {
                path: Seen(digest=self._files[path].digest, rows=tuple(rows))
                for path, rows in said.items()
                if path not in broken
            }
            await self._bench.remember(self._key, Scanned(files={**kept, **new}))
        return [dict(row) for path in sorted(kept) for row in kept[path].rows]


def _look(folder: Path, paths: Sequence[str]) -> dict[str, _File] | None:
    """Find the Python files that bandit would look for; None where it would find more than these.

    That is settings of its own, files by a link, and names that are not text.
    """
    out: dict[str, _File] = {}
    for start in paths:
        for root, _, names in os.walk(folder / start):
            below = relpath(root, folder / start)
            for name in names:
                path = Path(root, name)
                if name == _OWN_SETTINGS or (name.endswith(".py") and path.is_symlink()):
                    return None
                if name.endswith(".py"):
                    # as bandit writes it: its configuration may exclude by that
                    named = join(start, "" if below == "." else below, name)
                    if not named.isprintable():
                        return None
                    out[normpath(named)] = _File(digest_of(path.read_bytes()), named)
    return out
