"""The tables of the trail in SQLite, their version, and the check that nobody changed them.

`events`, `nodes` and `blobs` are the record. The other tables are projections: they can be emptied and filled
again from the record. `shape` says by which rules they were filled.
"""

import sqlite3
from typing import Final

from pev.errors import TrailUnavailable

APPLICATION_ID: Final = 0x50455654
"""`PEVT`, in the header of each of our files (https://www.sqlite.org/pragma.html#pragma_application_id)."""
VERSION: Final = 1

_RECORD: Final = (
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL,
        at TEXT NOT NULL, envelope BLOB NOT NULL, salt BLOB NOT NULL, payload TEXT
    )
    """,
    "CREATE UNIQUE INDEX events_by_stream ON events (stream, version)",
    """
    CREATE TABLE nodes (
        level INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, place)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE blobs (
        digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, redacted INTEGER NOT NULL,
        packed BLOB NOT NULL
    )
    """,
)
_PROJECTED: Final = (
    """
    CREATE TABLE runs (
        run TEXT PRIMARY KEY, repo TEXT NOT NULL, opened INTEGER NOT NULL, is_over INTEGER NOT NULL,
        state TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX runs_by_opening ON runs (opened)",
    "CREATE INDEX runs_by_repo ON runs (repo, opened)",
    "CREATE INDEX runs_not_over ON runs (opened) WHERE is_over = 0",
    "CREATE TABLE tags (tag TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (tag, seq)) WITHOUT ROWID",
    """
    CREATE TABLE findings (
        seq INTEGER NOT NULL, nth INTEGER NOT NULL, run TEXT, path TEXT, fingerprint TEXT NOT NULL,
        body TEXT NOT NULL, PRIMARY KEY (seq, nth)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX findings_by_run ON findings (run, seq)",
    "CREATE INDEX findings_by_path ON findings (path, seq)",
    "CREATE INDEX findings_by_fingerprint ON findings (fingerprint, seq)",
    """
    CREATE TABLE approvals (
        seq INTEGER PRIMARY KEY, run TEXT NOT NULL, principal TEXT NOT NULL, body TEXT NOT NULL
    )
    """,
    "CREATE INDEX approvals_by_run ON approvals (run)",
    "CREATE INDEX approvals_by_principal ON approvals (principal)",
    "CREATE TABLE shape (hash TEXT NOT NULL)",
)


def ensure_schema(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables in a new file, or check that an existing one is a trail that we can read.

    Takes a write transaction only if the file is new. Raises TrailUnavailable for a database of another
    program or of a newer PEV.
    """
    if _identity(connection) == (APPLICATION_ID, VERSION):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        identity = _identity(connection)
        if identity == (0, 0) and not _objects(connection):
            for statement in (*_RECORD, *_PROJECTED):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        elif identity[0] != APPLICATION_ID:
            raise TrailUnavailable(
                f"{path!r} is a database of another program (application id {identity[0]})",
                hint="Choose another state directory: PEV_STATE_DIR.",
            )
        elif identity[1] > VERSION:
            raise TrailUnavailable(
                f"trail {path!r} has schema {identity[1]}, newer than {VERSION}, the newest known here",
                hint="Use the newer PEV that wrote it.",
            )
        connection.execute("COMMIT")
    finally:
        roll_back(connection)


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo a transaction that is still open; after a commit there is none."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def schema_faults(connection: sqlite3.Connection) -> list[str]:
    """Name tables, indexes, triggers and views that are missing, foreign or changed."""
    reference = sqlite3.connect(":memory:")
    try:
        for statement in (*_RECORD, *_PROJECTED):
            reference.execute(statement)
        wanted, found = _objects(reference), _objects(connection)
    finally:
        reference.close()
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"{name} does not belong here" for name in sorted(found.keys() - wanted.keys())]
    faults += [
        f"{name} was changed" for name in sorted(wanted) if found.get(name, wanted[name]) != wanted[name]
    ]
    return faults


def _identity(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def _objects(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT type || ' ' || name, CAST(coalesce(sql, '') AS TEXT) FROM sqlite_master"
    )
    return {name: " ".join(sql.split()) for name, sql in rows if "sqlite_stat" not in name}
