"""A trail, and the means to tamper with its file behind its back."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pev.events import Kind
from pev.models import RepoId, RunId, repo_stream
from pev.trail.faults import FaultKind
from pev.trail.log import SqlNodes
from pev.trail.merkle import append_leaf, leaf_hash
from pev.trail.store import Trail
from pev.trail.verify import VerifyReport
from support.trail_events import event, record_run

RUN = RunId("00000001")
OTHER = RunId("00000002")


def small_trail(folder: Path) -> Path:
    """Make a closed trail of 29 events: two runs, and one event of a repository at the end."""
    file = folder / "trail.sqlite3"
    with Trail.open(file) as trail:
        record_run(trail, RUN)
        record_run(trail, OTHER)
        trail.append(repo_stream(RepoId("app-1")), [event(Kind.COMMAND_RAN, n=1)], expected_version=None)
        assert trail.head().size == 29
        assert trail.verify().intact
    return file


@contextmanager
def opened_raw(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a trail as an intruder does."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def verify(path: Path) -> VerifyReport:
    with Trail.open(path) as trail:
        return trail.verify()


def kinds(report: VerifyReport) -> dict[FaultKind, list[int | None]]:
    """Say which faults were found, and where."""
    out: dict[FaultKind, list[int | None]] = {}
    for fault in report.faults:
        out.setdefault(fault.kind, []).append(fault.seq)
    return out


def move(file: sqlite3.Connection, old: int, new: int) -> None:
    file.execute("UPDATE events SET seq = ? WHERE seq = ?", (new, old))


def cut(file: sqlite3.Connection, size: int) -> None:
    """Roll the whole file back to its first events, as an intruder would who knows PEV."""
    file.execute("DELETE FROM events WHERE seq >= ?", (size,))
    file.execute("DELETE FROM nodes WHERE (place + 1) << level > ?", (size,))


def plant_tree(file: sqlite3.Connection) -> None:
    """Compute the whole tree again, as an intruder would who knows PEV."""
    file.execute("DELETE FROM nodes")
    nodes = SqlNodes(file)
    for seq, envelope in file.execute(
        "SELECT seq, CAST(envelope AS BLOB) FROM events ORDER BY seq"
    ).fetchall():
        append_leaf(nodes, seq, leaf_hash(envelope))
