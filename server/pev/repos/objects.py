"""What git says about trees and changes, as values.

Everything here is pure: bytes as git writes them go in, frozen values come out. Paths are POSIX and relative
to the repository's root; bytes that are not UTF-8 come as lone surrogates (`os.fsdecode`).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from pev.errors import CommandFailed
from pev.models import ObjectId

FILE: Final = "100644"
EXECUTABLE: Final = "100755"
SYMLINK: Final = "120000"
GITLINK: Final = "160000"
FOLDER: Final = "040000"

_HUNK: Final = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE: Final = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
_ESCAPED: Final = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))


class Status(StrEnum):
    """How a path differs between two trees."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"
    TYPE_CHANGED = "type-changed"


_STATUS: Final = {
    "A": Status.ADDED,
    "M": Status.MODIFIED,
    "D": Status.DELETED,
    "R": Status.RENAMED,
    "T": Status.TYPE_CHANGED,
}


class Entry(NamedTuple):
    """One line of a tree: `kind` is `blob`, or `commit` for a sub-module; `size` is in bytes."""

    mode: str
    kind: str
    oid: ObjectId
    path: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs. `old_path` is another than `path` only for a rename.

    A side that does not exist has the mode `000000` and an object id of zeros.
    """

    status: Status
    path: str
    old_path: str
    old_mode: str
    new_mode: str
    old_oid: ObjectId
    new_oid: ObjectId


@dataclass(frozen=True, slots=True)
class FileStat:
    """Lines added and removed in one file; both 0 for a binary one."""

    path: str
    added: int
    removed: int
    binary: bool = False


@dataclass(frozen=True, slots=True)
class DiffStat:
    """The size of a change."""

    files: tuple[FileStat, ...]

    @property
    def added(self) -> int:
        """Lines added in all files."""
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        """Lines removed in all files."""
        return sum(file.removed for file in self.files)


def parse_tree(listing: bytes) -> tuple[Entry, ...]:
    """Parse `ls-tree -z`, with or without sizes, folders included."""
    out = []
    for line in listing.split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, kind, oid, *size = head.decode("ascii").split()
        length = int(size[0]) if size and size[0] != "-" else None
        out.append(Entry(mode, kind, ObjectId(oid), os.fsdecode(path), length))
    return tuple(out)


def parse_raw(listing: bytes) -> tuple[Change, ...]:
    """Parse `diff-tree --raw -z`."""
    fields = iter(listing.split(b"\0")[:-1])
    out = []
    for head in fields:
        old_mode, new_mode, old_oid, new_oid, letter = head.decode("ascii").removeprefix(":").split()
        old_path = path = os.fsdecode(next(fields))
        if letter.startswith("R"):
            path = os.fsdecode(next(fields))
        out.append(
            Change(
                _STATUS[letter[0]], path, old_path, old_mode, new_mode, ObjectId(old_oid), ObjectId(new_oid)
            )
        )
    return tuple(out)


def parse_numstat(listing: bytes) -> DiffStat:
    """Parse `diff-tree --numstat -z`; a renamed file stands under its new name."""
    fields = iter(listing.split(b"\0")[:-1])
    out = []
    for line in fields:
        added, removed, path = line.split(b"\t", 2)
        if not path:
            next(fields)
            path = next(fields)
        binary = added == b"-"
        counts = (0, 0) if binary else (int(added), int(removed))
        out.append(FileStat(os.fsdecode(path), *counts, binary))
    return DiffStat(tuple(out))


@dataclass(frozen=True, slots=True)
class Content:
    """One object as it is stored."""

    oid: ObjectId
    kind: str
    data: bytes


def parse_contents(output: bytes) -> Iterator[Content | None]:
    """Parse `cat-file --batch`: each object asked for, in order, None where there is none."""
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        words = output[at:end].split(b" ")
        if len(words) == 3 and words[2].isdigit():
            stop = end + 1 + int(words[2])
            yield Content(
                ObjectId(words[0].decode("ascii")), words[1].decode("ascii"), output[end + 1 : stop]
            )
            at = stop + 1
        else:
            yield None
            at = end + 1


def parse_changed_lines(patch: bytes) -> dict[str, frozenset[int]]:
    """Parse a patch without context into the numbers of added or changed lines, counted in the new file.

    Files that only lost lines, and binary ones, are not in it. Content that looks like a header does not
    confuse it: each hunk is skipped by its own counts.
    """
    found: dict[str, set[int]] = {}
    path = ""
    lines = iter(patch.split(b"\n"))
    for line in lines:
        hunk = _HUNK.match(line)
        if line.startswith(b"+++ "):
            path = _patch_path(line[4:])
        elif hunk:
            removed, begin, added = (int(part) if part is not None else 1 for part in hunk.groups())
            _skip(lines, removed + added)
            if added:
                found.setdefault(path, set()).update(range(begin, begin + added))
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _skip(lines: Iterator[bytes], count: int) -> None:
    for _ in range(count):
        line = next(lines, None)
        while line is not None and line.startswith(b"\\"):
            line = next(lines, None)
        if line is None:
            raise CommandFailed("git diff-tree ended within a hunk", hint="Try again.")


def _patch_path(raw: bytes) -> str:
    """Read the name after `+++ `: quoted if it holds odd characters, ended by a tab if it holds blanks."""
    raw = raw.removesuffix(b"\t")
    if raw.startswith(b'"'):
        raw = _ESCAPE.sub(_unescape, raw[1:-1])
    return os.fsdecode(raw.removeprefix(b"b/"))


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    return bytes([_ESCAPED[code[0]] if len(code) == 1 else int(code, 8)])
