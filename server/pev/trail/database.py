"""Connections to the trail's SQLite file: opening, transactions, and errors in our own words.

Readers see one consistent moment and never wait for a writer. Writers take turns, in this process and among
processes, and a transaction that has returned is on the disk. Nothing outside this package sees SQL.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pev.errors import PevError, TrailCorrupt, TrailUnavailable
from pev.trail.place import prepare_place
from pev.trail.schema import ensure_schema, roll_back

BUSY_LIMIT_S: Final = 10.0
_IDLE_KEPT: Final = 4
_PAUSE_S: Final = 0.02
_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS: without it fsync stops at the drive's cache
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA journal_size_limit = 67108864",
)
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_REASONS: Final[dict[int, tuple[str, str]]] = {
    sqlite3.SQLITE_READONLY: ("is read-only", "Choose a state directory that can be written: PEV_STATE_DIR."),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "Check that the state directory and the files in it belong to you, or set PEV_STATE_DIR.",
    ),
    sqlite3.SQLITE_PERM: ("may not be used", "Check who owns the state directory, or set PEV_STATE_DIR."),
    sqlite3.SQLITE_NOTADB: (
        "is not a database",
        "Move the file away, or choose another state directory: PEV_STATE_DIR.",
    ),
    sqlite3.SQLITE_FULL: ("has no room: the disk is full", "Free some space and try again."),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk fails", "Check the disk and its free space."),
    sqlite3.SQLITE_TOOBIG: ("does not take a value of this size", "Store less at once."),
}


class Database:
    """One trail file, opened by this process. All methods may be called from any thread.

    `busy_s` is how long a writer waits for others, in seconds.
    """

    def __init__(self, path: Path, *, busy_s: float = BUSY_LIMIT_S) -> None:
        """Open or make the file. Raises TrailUnavailable, or TrailCorrupt for a damaged file."""
        self.path = path.absolute()
        self._busy_s = busy_s
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        prepare_place(self.path)
        with self._translated():
            first = self._until_free(self._connect)
            self._idle.append(first)
        self._inode = self._current_inode()

    def close(self) -> None:
        """Close every connection. Calls that are under way finish; later ones raise TrailUnavailable."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        if os.getpid() == self._pid:
            for connection in idle:
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees the trail as it is at the first read, and cannot change it."""
        with self._translated(), self._borrowed() as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                roll_back(connection)
                connection.execute("PRAGMA query_only = OFF")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a write transaction: all of it is durable on return, or none happened.

        Raises TrailUnavailable if others keep the trail locked for longer than `busy_s`.
        """
        with self._translated(), self._my_turn(), self._borrowed() as connection:
            self._check_inode()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                roll_back(connection)

    def forget(self) -> None:
        """Write the log of pages back into the file and empty it: it still holds what was overwritten.

        Raises TrailUnavailable if others go on reading in it for longer than `busy_s`.
        """
        with self._translated(), self._borrowed() as connection:
            (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise TrailUnavailable(
                f"what was erased still stands in '{self.path}-wal', in which others are reading",
                hint="It is gone when no process has the trail open: end them all once.",
            )

    def check_file(self) -> None:
        """Raise TrailUnavailable if the file was removed or replaced since it was opened."""
        self._check_inode()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._busy_s):
            raise self._locked()
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        if os.getpid() != self._pid:
            raise TrailUnavailable(
                f"trail {str(self.path)!r} was opened by process {self._pid}, which this one was forked from",
                hint="Open the trail in each process.",
            )
        with self._guard:
            if self._closed:
                raise TrailUnavailable(f"trail {str(self.path)!r} is closed", hint="Open it again.")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._until_free(self._connect)
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            if not self._closed and len(self._idle) < _IDLE_KEPT:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False
        )
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise TrailUnavailable(
                    f"trail {str(self.path)!r} is on a file system without shared memory (mode {mode})",
                    hint="Choose a state directory on a local disk: PEV_STATE_DIR.",
                )
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            ensure_schema(connection, str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def _until_free(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        # Changing to WAL does not wait for other openers by itself: it answers "busy" at once.
        deadline = time.monotonic() + self._busy_s
        while True:
            try:
                return connect()
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_S)

    def _current_inode(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _check_inode(self) -> None:
        # A file that was unlinked still takes writes, and they would be gone with its last descriptor.
        if self._current_inode() != self._inode:
            raise TrailUnavailable(
                f"trail {str(self.path)!r} was removed or replaced while it was open",
                hint="Put the file back, or restart PEV to begin a new trail.",
            )

    def _locked(self) -> TrailUnavailable:
        return TrailUnavailable(
            f"trail {str(self.path)!r} stayed locked for {self._busy_s:g} s",
            hint="Another process is writing; try again, and see who holds the file if it stays so.",
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a fault of ours, not of the file
        except (sqlite3.Error, UnicodeDecodeError) as exc:  # a damaged schema is quoted in broken text
            raise self._in_our_words(exc) from exc

    def _in_our_words(self, exc: Exception) -> PevError:
        code = (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _BUSY:
            return self._locked()
        if code in _REASONS:
            fact, hint = _REASONS[code]
            return TrailUnavailable(f"trail {str(self.path)!r} {fact}", hint=hint)
        return TrailCorrupt(
            f"trail {str(self.path)!r} cannot be used: {exc}",
            hint="Run `pev trail verify`; restore the file from a backup if it is damaged.",
        )
