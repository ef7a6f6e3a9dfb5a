"""Keeping an agent's work before its worktree goes: files and commits, as one commit of ours."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pev.errors import PevError, WorktreeMissing
from pev.models import ObjectId, RunId
from pev.repos.depot import Depot
from pev.repos.snapshot import take_snapshot

_MAX_TIPS: Final = 50


@dataclass(frozen=True, slots=True)
class Rescued:
    """What became of the work: the ref that holds it, None if there was none; or why it could not be kept."""

    ref: str | None = None
    unsaved: str = ""


async def rescue(
    depot: Depot,
    path: Path,
    git_dir: Path,
    *,
    base_commit: ObjectId,
    trusted_commit: ObjectId,
    run_id: RunId,
) -> Rescued:
    """Keep the files at `path` that differ from the base, and every commit in `git_dir`, under one ref.

    The ref is `refs/pev/rescue/<run>`; its commit has the files as its tree, and as parents the base, each
    tip found, and an earlier rescue. A folder or a git directory that cannot be read is not an error but a
    reason: then nothing may be deleted.
    """
    base_tree = await depot.tree_of(base_commit)
    try:
        found = await _take_tips(depot, git_dir, path.name, run_id)
        tree = base_tree
        if os.path.lexists(path):
            tree = await take_snapshot(
                depot, path, base_commit=base_commit, trusted_commit=trusted_commit, remember=False
            )
    except PevError as exc:
        return Rescued(unsaved=exc.message)
    tips = [tip for tip in found if tip != base_commit]
    if tree == base_tree and not tips:
        return Rescued()
    ref = f"refs/pev/rescue/{run_id}"
    earlier = list((await depot.refs_under(ref)).values())
    message = f"Rescue the worktree of run {run_id}\n\nPEV-Run: {run_id}\n"
    await depot.keep(ref, await depot.commit(tree, [base_commit, *tips, *earlier], message))
    return Rescued(ref=ref)


async def _take_tips(depot: Depot, git_dir: Path, name: str, run_id: RunId) -> list[ObjectId]:
    """Bring every commit that branches, stash and HEAD of a run's git directory lead to into the depot."""
    linked = git_dir / "worktrees" / name
    if git_dir.is_symlink() or linked.is_symlink():
        raise WorktreeMissing("its git directory was replaced by a link")
    incoming = f"refs/pev/incoming/{run_id}"
    refspecs = [f"+refs/*:{incoming}/refs/*"]
    if (linked / "HEAD").is_file():
        refspecs.append(f"+HEAD:{incoming}/HEAD")
    done = await depot.take_in(linked if linked.is_dir() else git_dir, refspecs)
    refs = await depot.refs_under(incoming)
    await depot.drop(*refs)
    if not done.ok:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise WorktreeMissing(f"its git directory cannot be read: {said or done.ending.value}")
    tips = await depot.commits_of(dict.fromkeys(refs.values()))
    if len(tips) > _MAX_TIPS:
        raise WorktreeMissing(f"it has {len(tips)} branches, more than {_MAX_TIPS}")
    return tips


def keep_aside(folder: Path, run_id: str) -> Path:
    """Rename a folder so that its run's place is free and nothing of it is lost; give its new path."""
    number = 1
    while os.path.lexists(aside := folder.with_name(f"kept-{run_id}-{number}")):
        number += 1
    return folder.rename(aside)
