"""Snapshots: the exact tree that a gate judges and a pull request carries, taken from a worktree's files.

It holds every file that the trusted ref's ignore rules do not ignore, and every file that the base tracks,
with the bytes that lie on the disk. The worktree is only read, and nothing of its own git counts: no index,
no attribute, no filter, no ignore rule, no configuration.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from pev.models import ObjectId
from pev.repos.carried import Carried
from pev.repos.ignore import IgnoreRules
from pev.repos.lfs import changed, ruled, rules_of
from pev.repos.objects import Entry
from pev.repos.statcache import REST_S, StatCache
from pev.repos.storage import storing
from pev.repos.store import ObjectStore
from pev.repos.walk import Walk

_BATCH_BYTES: Final = 64 * 2**20


async def take_snapshot(
    store: ObjectStore,
    worktree: Path,
    *,
    base_commit: str,
    trusted_commit: str,
    remember: bool = True,
    rest_s: float = REST_S,
) -> ObjectId:
    """Store the files of a worktree as a tree, and give its id.

    Two snapshots of the same content are the same tree. Sub-modules and LFS files are carried as the base has
    them. With `remember`, files that have been at rest for `rest_s` seconds and look the same as last time
    are not read again. Raises SnapshotRefused, naming the path, for whatever a snapshot may not carry: a
    repository within, a changed sub-module or LFS file, a link that leads out, a device, pipe or socket, a
    name with control characters, a file above 100 MB; RepoUnusable for a base that no worktree is made of;
    and WorktreeMissing.
    """
    await store.vouch(base_commit)
    tree = await store.tree_of(base_commit)
    listed, parts = await store.listing(tree), await store.parts(tree)
    carried = Carried(listed, parts, lfs=store.accepted.lfs)
    return await _take(store, worktree, listed, carried, trusted_commit, remember=remember, rest_s=rest_s)


async def snapshot_working_tree(
    store: ObjectStore,
    repo_root: Path,
    *,
    base_commit: str,
    trusted_commit: str,
    head_commit: str | None = None,
) -> ObjectId:
    """Store the files of the user's own checkout as a tree, and give its id.

    As `take_snapshot`; what `head_commit` tracks belongs to it too, and what it says of sub-modules and LFS
    files counts. The `.git` at the top and those of sub-modules are not read.
    """
    head = await store.tree_of(head_commit or base_commit)
    listed, parts = await store.listing(head), await store.parts(head)
    older = await store.listing(await store.tree_of(base_commit))
    tracked = tuple({entry.path: entry for entry in (*older, *listed)}.values())
    carried = Carried(listed, parts, lfs=store.accepted.lfs, own_checkout=True)
    return await _take(store, repo_root, tracked, carried, trusted_commit, remember=True, rest_s=REST_S)


async def _take(
    store: ObjectStore,
    root: Path,
    tracked: tuple[Entry, ...],
    carried: Carried,
    trusted_commit: str,
    *,
    remember: bool,
    rest_s: float,
) -> ObjectId:
    cache = StatCache(_cache_file(store, root) if remember else None, root, rest_s=rest_s)
    walk = Walk(root, tracked, cache, store.object_format, carried)
    try:
        trusted_tree = await store.tree_of(trusted_commit)
        async with IgnoreRules(store, trusted_tree, carried.entries) as rules:
            files = await _files_of(walk, rules)
        if carried.lfs:
            await _refuse_new_large(store, carried, files)
        while files:
            await store.add(await anyio.to_thread.run_sync(walk.read, files, _BATCH_BYTES))
        tree, new = await anyio.to_thread.run_sync(walk.trees)
        await store.add(new)
        await anyio.to_thread.run_sync(cache.save)
    finally:
        walk.close()
    return tree


async def _files_of(walk: Walk, rules: IgnoreRules) -> list[str]:
    """Give the files that belong, folder by folder; new folders are entered only if no rule ignores them."""
    files: list[str] = []
    todo = [""]
    while todo:
        scan = await anyio.to_thread.run_sync(walk.scan, todo)
        ignored = await rules.ignored(scan.unknown_files, scan.unknown_folders)
        files += scan.files
        files += (path for path in scan.unknown_files if path not in ignored)
        todo = [folder for folder in scan.unknown_folders if folder not in ignored]
    return sorted(files, key=lambda path: path.rpartition("/"))


async def _refuse_new_large(store: ObjectStore, carried: Carried, files: list[str]) -> None:
    """Raise SnapshotRefused if a new file is one that the base's rules give to LFS."""
    old = {entry.path for entry in carried.listed}
    new = [path for path in files if path not in old and not carried.holders(path)]
    own = rules_of(carried.listed)
    contents = await store.blobs(entry.oid for entry in own)
    rules = {entry.path: contents[entry.oid] for entry in own}
    for path in sorted(await ruled(rules, new, store.scratch_dir, store.object_format)):
        raise changed(path, "is a new file of Git LFS")


def _cache_file(store: ObjectStore, root: Path) -> Path:
    folder = store.git.git_dir / "pev-stat"
    with storing(folder):
        folder.mkdir(exist_ok=True, mode=0o700)
    return folder / hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
