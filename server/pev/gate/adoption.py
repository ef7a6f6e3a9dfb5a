"""Finds out whether a project ever took on a tool: its name stands where a project says what it uses.

What nobody took on is no yardstick. Where nobody wrote a policy either, a tool of ours then only blocks what
shows a defect, and tells the rest.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from pev.gate.interface import CheckJob

_PLACES: Final = (
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    ".pre-commit-config.yaml",
    "noxfile.py",
    "Makefile",
    "justfile",
)


async def is_asked_for(job: CheckJob, tool: str, *files: str) -> bool:
    """Say whether the policy was written down, or the project uses `tool`: has one of `files`, or names it.

    Looked for in the project's folder and those above it, on the trusted ref alone: a change that takes a
    word out of a Makefile must not make the gate ask for less.
    """
    if job.request.policy.explicit:
        return True
    depot = job.request.depot
    trusted = await depot.tree_of(job.request.trusted_commit)
    word = re.compile(rf"(?<![\w.-])(?:tool\.)?{re.escape(tool)}(?!\w)".encode())
    root = PurePosixPath(job.root)
    for folder in dict.fromkeys((root, *root.parents)):
        for name in (*files, *_PLACES):
            raw = await depot.read_blob(trusted, (folder / name).as_posix())
            if raw is not None and (name in files or word.search(raw)):
                return True
    return False
