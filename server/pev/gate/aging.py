"""Finds the old findings that a change only touched: it edited their lines and left what was found there.

A finding's name holds the text of its line, so an edited line gives it a new one. It is the same one still if
the base's finding of the same rule and message, in the lines that were replaced, is gone.
"""

import difflib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from pev.findings import Age, Finding
from pev.gate.interface import Measured, Side
from pev.models import Digest
from pev.repos.objects import Change, Status

AGING: Final = ("lint", "types")
"""Checks whose messages say what is wrong closely enough; those of `security` are too general."""
_NUMBER: Final = re.compile(r"\d+")

Texts = Mapping[str, tuple[str, str]]
"""By the path of a changed file: what it held, and what it holds."""


def only_touched(
    new: Iterable[Finding], gone: Iterable[Finding], texts: Texts, was: Mapping[str, str]
) -> set[Digest]:
    """Give the fingerprints of those `new` findings that stand for one of those that are `gone`.

    Each that is gone stands for one. `was` gives the old path of a file that moved.
    """
    waiting = sorted(gone, key=lambda one: one.line or 0)
    blocks: dict[str, list[tuple[range, range]]] = {}
    out: set[Digest] = set()
    for one in sorted(new, key=lambda own: own.line or 0):
        path = one.path or ""
        if path not in texts or one.line is None:
            continue
        if path not in blocks:
            blocks[path] = _replaced(*texts[path])
        for old in waiting:
            same = (old.rule, plain(old.message)) == (one.rule, plain(one.message))
            if same and old.path == was.get(path, path) and _meet(blocks[path], old.line or 0, one.line):
                waiting.remove(old)
                out.add(one.fingerprint)
                break
    return out


def plain(message: str) -> str:
    """Give a message without its numbers: a line that is too long may get longer."""
    return _NUMBER.sub("0", message)


def _meet(blocks: Iterable[tuple[range, range]], old: int, new: int) -> bool:
    return any(old in before and new in after for before, after in blocks)


def _replaced(old: str, new: str) -> list[tuple[range, range]]:
    """Give the lines, from 1, that took each other's place."""
    rows = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes()
    return [
        (range(low + 1, high + 1), range(start + 1, end + 1))
        for tag, low, high, start, end in rows
        if tag == "replace"
    ]


async def settle_age(
    measured: Measured,
    base: Measured | None,
    changes: Iterable[Change],
    read: Callable[[Side, str], Awaitable[bytes | None]],
) -> Measured:
    """Mark the findings as old that a change only touched; `read` gives a file of one side."""
    held = {one.fingerprint for one in measured.findings}
    gone = [one for one in (base.findings if base is not None else ()) if one.fingerprint not in held]
    new = [one for one in measured.findings if one.age is Age.NEW]
    paths = {one.path for one in new}
    if not gone or not new:
        return measured
    texts: dict[str, tuple[str, str]] = {}
    was: dict[str, str] = {}
    for change in changes:
        if change.path in paths and change.status is not Status.ADDED:
            was[change.path] = change.old_path
            sides = (await read(Side.BASE, change.old_path), await read(Side.CANDIDATE, change.path))
            old, now = ((raw or b"").decode("utf-8", "replace") for raw in sides)
            texts[change.path] = (old, now)
    touched = only_touched(new, gone, texts, was)
    findings = tuple(
        one.model_copy(update={"age": Age.OLD}) if one.fingerprint in touched else one
        for one in measured.findings
    )
    return measured.model_copy(update={"findings": findings})
