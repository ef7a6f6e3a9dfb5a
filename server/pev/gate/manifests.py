"""Finds the other places in a change that declare packages: beside what a project of the policy declares.

These are requirements files under any name, projects that no policy names, and scripts with a head (PEP 723).
Each stands for itself, and only those that the change touches are read.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pev.gate.faces import belongs_to_tests
from pev.gate.interface import CheckJob
from pev.gate.locks import OTHERS
from pev.gate.reading import reader_of
from pev.gate.requirements import (
    REQUIREMENT_FILES,
    Declared,
    ReadFile,
    read_declared,
    read_requirements,
    read_script,
)
from pev.repos.objects import Change, Status

_REQUIREMENTS: Final = re.compile(
    r"(?:.*/)?(?:[\w.-]*(?:requirements|constraints)[\w.-]*\.(?:txt|in)|(?:requirements|constraints)/[^/]+\.(?:txt|in))"
)
_PROJECT: Final = {"pyproject.toml", "setup.py", "setup.cfg", "uv.lock", *OTHERS}
_TEST_FOLDERS: Final = {"tests", "test", "testing"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a file or a folder declares, now and before."""

    place: str
    new: Declared
    old: Declared


async def other_manifests(job: CheckJob) -> list[Manifest]:
    """Read what the change declares in other places, as far as they are nearest to this job's project."""
    if job.base_tree is None:
        return []
    now = await reader_of(job.request.depot, job.tree)
    before = await reader_of(job.request.depot, job.base_tree)
    out: dict[str, Manifest] = {}
    for change in job.changes:
        place = _place(change, set(_roots(job)))
        if place and place not in out and _nearest(place, job) == job.root:
            old = change.old_path if place == change.path else _folder(change.old_path)
            is_new = change.status is Status.ADDED and place == change.path
            was = Declared() if is_new else await _read(before, old, change.old_path)
            out[place] = Manifest(place, await _read(now, place, change.path), was)
    return list(out.values())


def _place(change: Change, roots: set[str]) -> str:
    """Give the file, or the folder of a project, that declares something of its own; "" if none does."""
    path = PurePosixPath(change.path)
    folder = _folder(change.path)
    if change.status is Status.DELETED:
        return ""
    if _REQUIREMENTS.fullmatch(change.path):
        # what lies deeper in tests is what they work with
        deep = bool(_TEST_FOLDERS.intersection(path.parts[:-2]))
        usual = any(PurePosixPath(root, name) == path for root in roots for name in REQUIREMENT_FILES)
        return "" if deep or usual else change.path
    if belongs_to_tests(change.path):
        return ""
    if path.name in _PROJECT:
        return "" if folder in roots else folder
    return change.path if path.suffix in (".py", "") else ""


def _folder(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()


def _roots(job: CheckJob) -> list[str]:
    """Give the roots of the projects in the language of this job."""
    return [one.root for one in job.policy.projects if one.language is job.project.language]


def _nearest(place: str, job: CheckJob) -> str:
    roots = _roots(job)
    above = [root for root in roots if root == "." or PurePosixPath(place).is_relative_to(root)]
    return max(above, key=len, default=roots[0])


async def _read(read: ReadFile, place: str, path: str) -> Declared:
    """Read a place: a folder, or a file by its kind."""
    if place != path:
        return await read_declared(read, place, None, shared_lock=False)
    if _REQUIREMENTS.fullmatch(place):
        return await read_requirements(read, place)
    return read_script((await read(place) or b"").decode("utf-8", "replace"), place)
