"""Publishes the log as files that anyone can fetch: tiles of hashes, bundles of entries, a checkpoint.

The layout is that of https://c2sp.org/tlog-tiles, so that a plain web server is a log server. Entries are
envelopes: who did what kind of thing when, and the digest of its payload; payloads are not published. Files
are written before the checkpoint that needs them, and a second time only what is new.
"""

import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pev.errors import StorageFailed, TrailCorrupt
from pev.trail.checkpoint import Checkpoint, parse_checkpoint
from pev.trail.merkle import TreeHead, proves_consistency
from pev.trail.notes import parse_note
from pev.trail.store import Trail

WIDTH: Final = 256
_LEVELS: Final = 8
"""Levels of the tree in one tile: 2 ** 8 == WIDTH."""
_CHECKPOINT: Final = "checkpoint"


def tile_path(level: str | int, index: int, width: int = WIDTH) -> str:
    """Name the file of a tile below the log's prefix; `level` is a number, or `entries` for a bundle."""
    parts = [f"{index % 1_000:03d}"]
    while index := index // 1_000:
        parts.insert(0, f"x{index % 1_000:03d}")
    partial = f".p/{width}" if width < WIDTH else ""
    return f"tile/{level}/{'/'.join(parts)}{partial}"


def write_tiles(trail: Trail, folder: Path, checkpoint: Checkpoint, note: str) -> int:
    """Write what is new of the log up to a checkpoint, then the checkpoint; give the number of files.

    Raises TrailCorrupt if the folder holds a checkpoint that this one does not extend, InvalidInput if that
    file is no checkpoint, and StorageFailed if the folder cannot be written.
    """
    try:
        done = _published(trail, folder, checkpoint)
        written = _write_entries(trail, folder, done, checkpoint.head.size)
        level = 0
        while count := checkpoint.head.size >> (_LEVELS * level):
            written += _write_level(trail, folder, level, done >> (_LEVELS * level), count)
            level += 1
        _put(folder / _CHECKPOINT, note.encode())
    except OSError as exc:
        raise StorageFailed(
            f"tiles cannot be written to {folder}: {exc.strerror or exc}",
            hint="Give a folder that you can write to.",
        ) from exc
    return written + 1


def _published(trail: Trail, folder: Path, checkpoint: Checkpoint) -> int:
    """Give the size of the log that the folder holds already, which must be a prefix of this one."""
    path = folder / _CHECKPOINT
    if not path.exists():
        return 0
    old = parse_checkpoint(parse_note(path.read_bytes()).text)
    if not _extends(trail, old, checkpoint):
        raise TrailCorrupt(
            f"{path} is of {old.head.size} events of {old.origin}, which this log of"
            f" {checkpoint.head.size} events does not extend",
            hint="One was rolled back or forked, or is another log: keep both, and give another folder.",
        )
    return old.head.size


def _extends(trail: Trail, old: Checkpoint, new: Checkpoint) -> bool:
    if old.origin != new.origin or old.head.size > new.head.size:
        return False
    if old.head.size == 0:
        return old.head == TreeHead(size=0, root=trail.head(size=0).root)
    path = trail.consistency(old.head.size, new.head.size)
    return proves_consistency(old.head, new.head, [bytes.fromhex(step) for step in path])


def _write_level(trail: Trail, folder: Path, level: int, done: int, count: int) -> int:
    written = 0
    for index in range(done // WIDTH, -(-count // WIDTH)):
        start, stop = index * WIDTH, min(count, (index + 1) * WIDTH)
        content = b"".join(trail.hashes(_LEVELS * level, start, stop))
        written += _put_tile(folder, level, index, stop - start, content)
    return written


def _write_entries(trail: Trail, folder: Path, done: int, size: int) -> int:
    written = 0
    for index in range(done // WIDTH, -(-size // WIDTH)):
        start, stop = index * WIDTH, min(size, (index + 1) * WIDTH)
        written += _put_tile(folder, "entries", index, stop - start, bundle(trail.envelopes(start, stop)))
    return written


def bundle(entries: Sequence[bytes]) -> bytes:
    """Write entries one after another, each with its length before it."""
    return b"".join(struct.pack(">H", len(one)) + one for one in entries)


def _put_tile(folder: Path, level: str | int, index: int, width: int, content: bytes) -> int:
    """Write one file; where a tile became full, its partial forms go."""
    path = folder / tile_path(level, index, width)
    if path.exists() and path.read_bytes() == content:
        return 0  # one of other content is of a log that was cut off before its checkpoint was written
    _put(path, content)
    if width == WIDTH:
        shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
    return 1


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
