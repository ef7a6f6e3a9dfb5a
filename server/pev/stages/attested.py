"""Verifies the evidence that a pull request carries: the repository and the log's public key are enough.

It stands on no trail, no configuration and no network, so that it says the same on any machine.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pev.errors import EvidenceInvalid, RefNotFound
from pev.forge.evidence import Shown, parse_bundle, verify_bundle
from pev.git import Git, check_revision
from pev.models import RUN_ID, ObjectId, RunId
from pev.repos.notes import notes_ref, read_note
from pev.repos.objects import parse_contents
from pev.repos.source import open_for_reading
from pev.trail.notes import VerifierKey

_TRAILER: Final = re.compile(r"^(PEV-[A-Za-z]+): (\S+)$", re.MULTILINE)


async def verify_commit(
    path: Path,
    rev: str,
    keys: Sequence[VerifierKey],
    *,
    evidence: bytes | None = None,
    witnesses: Sequence[VerifierKey] = (),
    witnesses_needed: int = 0,
) -> Shown:
    """Check that a commit of the repository at `path` is one that a gate passed, and give what is shown.

    The evidence is the note on the commit, or the one that is given. Raises EvidenceInvalid or ProofInvalid
    where it does not hold for exactly this commit, RefNotFound, RepoUnusable.
    """
    git = await open_for_reading(path)
    commit, tree = await _find(git, rev)
    run, snapshot = await _told(git, commit)
    if snapshot != tree:
        raise EvidenceInvalid(
            f"commit {commit[:12]} has tree {tree[:12]}, its gate judged {snapshot[:12]}",
            hint="It was changed after the gate: have the change judged again.",
        )
    raw = evidence if evidence is not None else await read_note(git, run, commit)
    if raw is None:
        ref = notes_ref(run)
        raise EvidenceInvalid(
            f"commit {commit[:12]} has no evidence here", hint=f"Fetch it: git fetch origin {ref}:{ref}"
        )
    found = parse_bundle(raw)
    if found.run != run:
        raise EvidenceInvalid(
            f"the evidence is of run {found.run}, the commit of {run}", hint="Fetch it again."
        )
    return verify_bundle(
        found, keys, commit=commit, tree=tree, witnesses=witnesses, witnesses_needed=witnesses_needed
    )


async def _find(git: Git, rev: str) -> tuple[ObjectId, ObjectId]:
    """Give a commit and its tree."""
    name = check_revision(rev)
    said = os.fsdecode(await git.look_up([f"{name}^{{commit}}", f"{name}^{{tree}}"])).splitlines()
    words = [line.split(" ") for line in said]
    if [one[1:2] for one in words] != [["commit"], ["tree"]]:
        raise RefNotFound(f"{rev!r} is not in the repository", hint="Fetch it, or name another commit.")
    return ObjectId(words[0][0]), ObjectId(words[1][0])


async def _told(git: Git, commit: ObjectId) -> tuple[RunId, str]:
    """Give the run and the snapshot that a commit's trailers name."""
    (found,) = parse_contents(await git.contents([commit]))
    message = found.data.decode("utf-8", "replace").partition("\n\n")[2] if found is not None else ""
    told = dict(_TRAILER.findall(message))
    run, snapshot = told.get("PEV-Run", ""), told.get("PEV-Snapshot", "")
    if not RUN_ID.fullmatch(run) or not snapshot:
        raise EvidenceInvalid(
            f"commit {commit[:12]} says of no run that it is from",
            hint="PEV did not make it: have the change judged, or review it without evidence.",
        )
    return RunId(run), snapshot
