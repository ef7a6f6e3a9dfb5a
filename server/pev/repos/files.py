"""File tools for an agent: list, search, read, write and edit inside one worktree, and nowhere else.

Paths are relative, with `/`. Links inside the worktree are followed, what leads out is refused, and git's own
folder does not exist. A write replaces a file as a whole or not at all.
"""

import json
import os
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio.to_thread
from pydantic import Field

from pev.errors import FileRefused, InvalidInput, PathEscapes, WorktreeMissing
from pev.models import Model
from pev.proc import Ending, base_env, run
from pev.repos.beneath import open_plain, parent_of
from pev.repos.encoding import decode, encode, is_binary
from pev.repos.globbing import Glob
from pev.repos.tour import tour

MAX_FILE_BYTES: Final = 10 * 2**20
MAX_TEXT: Final = 400_000
SEARCH_S: Final = 10.0
_SHOWN_PLACES: Final = 10


class Listing(Model):
    """Files of a worktree, sorted by folder; `truncated` if there are more."""

    files: tuple[str, ...]
    truncated: bool


class Match(Model):
    """One line that matches. `text` holds at most 500 characters around the first hit."""

    path: str
    line: int = Field(ge=1)
    text: str


class Matches(Model):
    """What a search found; `truncated` if there is more, `timed_out` if it was stopped before the end."""

    matches: tuple[Match, ...]
    truncated: bool
    timed_out: bool


class FileText(Model):
    """A part of a text file, exactly as it stands there, line ends included.

    `first_line` counts from 1; `lines` is how many lines are given, of `total_lines`.
    """

    path: str
    text: str
    first_line: int
    lines: int
    total_lines: int
    truncated: bool
    encoding: str
    size_bytes: int


class Written(Model):
    """A file that was written."""

    path: str
    size_bytes: int
    created: bool


async def list_files(root: Path, *, pattern: str = "**", limit: int = 500) -> Listing:
    """List plain files whose path matches a glob, at most `limit`, without git's folder and tools' caches."""
    return await anyio.to_thread.run_sync(_list, root, Glob(pattern), limit)


async def search_files(
    root: Path, pattern: str, *, glob: str = "**", limit: int = 100, limit_s: float = SEARCH_S
) -> Matches:
    """Search text files line by line for a regular expression (Python's), at most `limit` lines.

    After `limit_s` seconds what was found so far is the answer. Files above 2 MiB and binary ones are passed
    by. Raises InvalidInput if the expression does not compile.
    """
    if not root.is_dir():
        raise _missing(root)
    request = {"root": str(root), "pattern": pattern, "glob": glob, "limit": limit}
    done = await run(
        [sys.executable, "-I", "-B", "-m", "pev.repos.search"],
        cwd=Path("/"),
        env=base_env(),
        limit_s=limit_s,
        stdin=json.dumps(request).encode(),
    )
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    timed_out = done.ending is Ending.TIMED_OUT
    # a kill can cut the last line short
    answers = [json.loads(line) for line in (lines if done.stdout.endswith(b"\n") else lines[:-1])]
    for answer in answers:
        if "error" in answer:
            raise InvalidInput(
                f"the pattern {pattern[:100]!r} does not compile: {answer['error']}",
                hint="Give a regular expression as Python's re module reads it.",
            )
    ended = next((answer["done"] for answer in answers if "done" in answer), None)
    if ended is None and not timed_out:
        raise FileRefused(
            f"the search ended with exit code {done.code}: {done.text()[-300:]}",
            hint="Give a simpler pattern, or fewer files.",
        )
    found = tuple(Match.model_validate(answer) for answer in answers if "path" in answer)
    return Matches(matches=found, truncated=ended == "limit", timed_out=timed_out)


async def read_file(root: Path, path: str, *, offset: int = 0, limit: int = 2_000) -> FileText:
    """Read a text file: at most `limit` lines after skipping `offset`, and at most 400,000 characters.

    Raises PathEscapes, and FileRefused if it is absent, a folder, binary, or above 10 MiB.
    """
    return await anyio.to_thread.run_sync(_read, root, path, max(0, offset), limit)


async def write_file(root: Path, path: str, content: str) -> Written:
    """Write a text file, whole; folders are made, an existing file is replaced and keeps mode and encoding.

    Raises PathEscapes, and FileRefused if there is a folder, or the text does not fit the encoding.
    """
    return await anyio.to_thread.run_sync(_write, root, path, content)


async def edit_file(root: Path, path: str, old: str, new: str) -> Written:
    """Replace a text that stands exactly once in a file. Line ends `\\r\\n` are kept where the file has them.

    Raises PathEscapes, and FileRefused if the text is absent or stands more than once.
    """
    return await anyio.to_thread.run_sync(_edit, root, path, old, new)


def _list(root: Path, glob: Glob, limit: int) -> Listing:
    found: list[str] = []
    for _, path in tour(root):
        if glob.matches(path):
            if len(found) == limit:
                return Listing(files=tuple(found), truncated=True)
            found.append(path)
    return Listing(files=tuple(found), truncated=False)


def _read(root: Path, path: str, offset: int, limit: int) -> FileText:
    data, _ = _load(root, path)
    text, encoding = decode(data)
    lines = text.split("\n")
    lines = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    given = lines[offset : offset + limit]
    while given and sum(map(len, given)) > MAX_TEXT:
        given = given[: len(given) // 2]
    if not given and offset < len(lines):
        raise FileRefused(
            f"line {offset + 1} of {path!r} has {len(lines[offset])} characters", hint="Search in it instead."
        )
    return FileText(
        path=path,
        text="".join(given),
        first_line=offset + 1,
        lines=len(given),
        total_lines=len(lines),
        truncated=offset + len(given) < len(lines),
        encoding=encoding,
        size_bytes=len(data),
    )


def _edit(root: Path, path: str, old: str, new: str) -> Written:
    data, info = _load(root, path)
    text, encoding = decode(data)
    if old not in text and "\r\n" in text and "\r" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")
    count = text.count(old) if old else 0
    if count != 1:
        raise FileRefused(
            f"the text to replace stands {count} times in {path!r}{_places(text, old, count)}",
            hint="Read the file and give more of its lines, exactly as they are.",
        )
    if old == new:
        raise FileRefused("the old and the new text are the same", hint="Give what is to change.")
    return _replace(root, path, _encoded(text.replace(old, new), encoding, path), info)


def _places(text: str, old: str, count: int) -> str:
    if count < 2:
        return ""
    places: list[str] = []
    at = -1
    while len(places) < _SHOWN_PLACES and (at := text.find(old, at + 1)) >= 0:
        places.append(str(text.count("\n", 0, at) + 1))
    return f", at lines {', '.join(places)}"


def _write(root: Path, path: str, content: str) -> Written:
    encoding, info = "utf-8", None
    with suppress(FileNotFoundError):
        try:
            data, info = _load(root, path, missing_is_error=False)
        except _Unreadable as exc:
            info = exc.info
        else:
            encoding = decode(data)[1] if data else "utf-8"
    return _replace(root, path, _encoded(content, encoding, path), info)


class _Unreadable(FileRefused):
    """A plain file that is no text: it may be replaced, but not be read."""

    def __init__(self, message: str, info: os.stat_result, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.info = info


def _load(root: Path, path: str, *, missing_is_error: bool = True) -> tuple[bytes, os.stat_result]:
    """Give the bytes of a plain text file, and what it is."""
    try:
        with parent_of(root, path) as (folder, name):
            fd = _open(folder, name, path)
    except (FileNotFoundError, NotADirectoryError) as exc:
        if not missing_is_error and isinstance(exc, FileNotFoundError):
            raise
        raise FileRefused(f"there is no file {path!r}", hint="List the files: list_files.") from exc
    except OSError as exc:
        raise FileRefused(f"{path!r} cannot be read: {exc.strerror}", hint="Look at its mode.") from exc
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(fd)
        if info.st_size > MAX_FILE_BYTES:
            raise _Unreadable(
                f"{path!r} has {info.st_size} bytes, more than {MAX_FILE_BYTES}", info, hint="Search in it."
            )
        data = file.read(MAX_FILE_BYTES + 1)
    if is_binary(data):
        raise _Unreadable(f"{path!r} is a binary file", info, hint="Use a command that knows its format.")
    return data, info


def _open(folder: int, name: str, path: str) -> int:
    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(info.st_mode):
        raise FileRefused(f"{path!r} is a folder", hint="List what is in it: list_files.")
    fd = open_plain(folder, name) if stat.S_ISREG(info.st_mode) else None
    if fd is None:
        raise PathEscapes(
            f"path {path!r} is no plain file", hint="Devices, pipes and sockets are not opened."
        )
    return fd


def _replace(root: Path, path: str, data: bytes, before: os.stat_result | None) -> Written:
    """Put a whole new file in place of what was `before`; if another is there by now, it stays."""
    if len(data) > MAX_FILE_BYTES:
        raise FileRefused(f"{len(data)} bytes are more than {MAX_FILE_BYTES}", hint="Write smaller files.")
    try:
        with parent_of(root, path, make=before is None) as (folder, name):
            if name == ".":
                raise FileRefused(f"{path!r} is a folder", hint="Name a file.")
            _put(folder, name, path, data, before)
    except (FileNotFoundError, NotADirectoryError, FileExistsError, IsADirectoryError) as exc:
        raise FileRefused(f"{path!r} cannot be written: {exc.strerror}", hint="Look at the folders.") from exc
    except OSError as exc:
        raise FileRefused(
            f"{path!r} cannot be written: {exc.strerror}", hint="Look at disk and mode."
        ) from exc
    return Written(path=path, size_bytes=len(data), created=before is None)


def _put(folder: int, name: str, path: str, data: bytes, before: os.stat_result | None) -> None:
    aside = f".pev-{secrets.token_hex(8)}.tmp"
    fd = os.open(
        aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
    )
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(fd, stat.S_IMODE(before.st_mode) & 0o777 if before else 0o644)
        if _changed(folder, name, before):
            raise FileRefused(f"{path!r} changed meanwhile", hint="Read it again, then write.")
        os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder)
        raise


def _changed(folder: int, name: str, before: os.stat_result | None) -> bool:
    try:
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return before is not None
    if before is None:
        return True
    return (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns)


def _encoded(text: str, encoding: str, path: str) -> bytes:
    try:
        return encode(text, encoding)
    except UnicodeEncodeError as exc:
        raise FileRefused(
            f"{path!r} is written in {encoding}, which has no {text[exc.start]!r}",
            hint="Use characters of that encoding, or remove the file first and write it anew.",
        ) from exc


def _missing(root: Path) -> WorktreeMissing:
    return WorktreeMissing(f"{str(root)!r} is not there", hint="Make the worktree anew: make_worktree.")
