"""What the projections must be, told again from the log while it is read, and how the stored ones differ.

Tags are compared as one list of numbers for each tag, findings in step with the log, and runs by folding
only the events that change a state. Nothing is written.
"""

import sqlite3
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pev.errors import TrailCorrupt
from pev.events import Kind
from pev.models import run_of_stream
from pev.run import FOLDED, TERMINAL, RunState, apply_event
from pev.trail.facets import PATH_FIELD, base_tags, findings_of, payload_tags
from pev.trail.log import event_of
from pev.trail.rows import Checked
from pev.trail.stopping import Stop, heed, never

_RUN: Final = "run:"
_REPO: Final = "repo:"
_ONE: Final = "SELECT CAST(envelope AS BLOB), CAST(payload AS BLOB) FROM events WHERE seq = ?"
_A_RUN: Final = "SELECT run, repo, opened, is_over, state FROM runs WHERE run = ?"
_AN_APPROVAL: Final = "SELECT seq, run, principal, body FROM approvals WHERE seq = ?"
_FINDINGS: Final = "SELECT seq, nth, run, path, fingerprint, body FROM findings ORDER BY seq, nth"
_GROUPED: Final = (
    "SELECT tag, group_concat(seq), sum(typeof(seq) <> 'integer') + (typeof(tag) <> 'text')"
    " FROM tags GROUP BY tag"
)
_TAGS: Final = "SELECT tag, seq, typeof(seq) = 'integer' AND typeof(tag) = 'text' FROM tags ORDER BY tag, seq"
_MAX_CACHED: Final = 50_000
_OPENED: Final = Kind.RUN_OPENED.value.encode()
_FOLDED: Final = frozenset(kind.value.encode() for kind in FOLDED)

TagRows = list[tuple[Any, str, int]]


@dataclass(slots=True)
class _Run:
    """What is remembered of a run until it is folded."""

    opened: int
    repo: str | None
    is_erased: bool
    folded: list[int] = field(default_factory=list)
    version: int = 0
    at: bytes = b""


class _CannotFollow(Exception):
    """An event that its run cannot take."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(why)
        self.seq = seq


def grouped_tags(connection: sqlite3.Connection) -> TagRows | None:
    """Give each stored tag with its numbers as one text; None if a text would be too long for SQLite."""
    try:
        return connection.execute(_GROUPED).fetchall()
    except sqlite3.DataError:
        return None


class Retelling:
    """Takes the events of the log, in order, and then names what the stored projections say otherwise."""

    def __init__(self, connection: sqlite3.Connection, stop: Stop = never) -> None:
        self._connection = connection
        self._stop = stop
        # arrays, which the garbage collector need not go through again and again
        self._tags: dict[str, array[int]] = {}
        self._base: dict[tuple[str, bytes, tuple[str, str]], tuple[Callable[[int], None], ...]] = {}
        self._runs: dict[str, _Run] = {}
        self._findings = connection.execute(_FINDINGS)
        self._stored: tuple[Any, ...] | None = self._findings.fetchone()
        self._told: dict[str, set[Any]] = {"runs": set(), "approvals": set()}
        self._unlike: list[str] = []

    def close(self) -> None:
        """Let go of the stored findings: a question that is half read holds the file as it was."""
        self._findings.close()

    def take(self, one: Checked) -> None:
        """Take one event in."""
        run = self._run(one) if one.stream.startswith(_RUN) else None
        key = one.stream, one.kind, one.who
        adds = self._base.get(key)
        if adds is None:
            adds = self._base_of(one, run)
            if len(self._base) >= _MAX_CACHED:
                self._base.clear()
            self._base[key] = adds
        for add in adds:
            add(one.seq)
        if one.payload:
            has_paths = PATH_FIELD.search(one.data) is not None
            for tag in payload_tags(one.payload, has_paths=has_paths):
                self._numbers(tag).append(one.seq)
            if b'"findings":' in one.data:
                self._take_findings(one)

    def _run(self, one: Checked) -> _Run:
        run = self._runs.get(one.stream)
        if run is None:
            repo = (one.payload or {}).get("repo")
            erased = one.kind == _OPENED and one.payload is None
            run = _Run(one.seq, repo if isinstance(repo, str) else None, erased)
            self._runs[one.stream] = run
        if one.kind in _FOLDED:
            run.folded.append(one.seq)
        run.version, run.at = one.version, one.at
        return run

    def _base_of(self, one: Checked, run: _Run | None) -> tuple[Callable[[int], None], ...]:
        repo = one.stream.removeprefix(_REPO) if one.stream.startswith(_REPO) else None
        if run is not None:
            repo = run.repo
        tags = base_tags(one.stream, one.kind.decode(), one.who, repo)
        return tuple(self._numbers(tag).append for tag in tags)

    def _numbers(self, tag: str) -> "array[int]":
        numbers = self._tags.get(tag)
        if numbers is None:
            numbers = self._tags[tag] = array("q")
        return numbers

    def _take_findings(self, one: Checked) -> None:
        run = run_of_stream(one.stream)
        for nth, found in enumerate(findings_of(one.payload)):
            row = (one.seq, nth, run, found.path, found.fingerprint, found.model_dump_json())
            while self._stored is not None and self._stored[:2] < row[:2]:
                self._foreign_finding(self._stored)
            if self._stored == row:
                self._stored = self._findings.fetchone()
            elif self._stored is not None and self._stored[:2] == row[:2]:
                self._unlike.append(f"findings says otherwise of {row[:2]} than the log")
                self._stored = self._findings.fetchone()
            else:
                self._unlike.append(f"findings lacks {row[:2]}")

    def _foreign_finding(self, stored: tuple[Any, ...]) -> None:
        self._unlike.append(f"findings has {stored[:2]}, which no event gives")
        self._stored = self._findings.fetchone()

    def fold(self) -> Iterator[tuple[int, str]]:
        """Name events that their run cannot take, and compare the runs and decisions on the way."""
        for stream, run in self._runs.items():
            if run.is_erased:
                continue
            try:
                state = self._folded(stream, run)
            except _CannotFollow as exc:
                yield exc.seq, str(exc)
                continue
            row = (state.id, state.repo, run.opened, int(state.status in TERMINAL), state.model_dump_json())
            self._compare("runs", _A_RUN, row)
        for table, keys in (("runs", "SELECT run FROM runs"), ("approvals", "SELECT seq FROM approvals")):
            for (key,) in self._connection.execute(keys):
                if key not in self._told[table]:
                    self._unlike.append(f"{table} has {key!r}, which no event gives")

    def _folded(self, stream: str, run: _Run) -> RunState:
        state: RunState | None = None
        for seq in run.folded:
            heed(self._stop)
            event = event_of(*self._connection.execute(_ONE, (seq,)).fetchone())
            try:
                state = apply_event(state, event)
            except (TrailCorrupt, KeyError, ValueError, TypeError, IndexError, AttributeError) as exc:
                why = exc.message if isinstance(exc, TrailCorrupt) else type(exc).__name__
                raise _CannotFollow(seq, f"it cannot follow in {stream.replace(':', ' ')}: {why}") from exc
            if event.kind is Kind.DECISION_ANSWERED:
                one = state.approvals[-1]
                row = (seq, state.id, one.principal, one.model_dump_json())
                self._compare("approvals", _AN_APPROVAL, row)
        if state is None:
            raise _CannotFollow(run.opened, f"stream {stream} does not begin with {Kind.RUN_OPENED}")
        return state.model_copy(update={"version": run.version, "updated_at": run.at.decode()})

    def _compare(self, table: str, select: str, row: tuple[Any, ...]) -> None:
        self._told[table].add(row[0])
        stored = self._connection.execute(select, row[:1]).fetchone()
        if stored is None:
            self._unlike.append(f"{table} lacks {row[0]!r}")
        elif stored != row:
            self._unlike.append(f"{table} says otherwise of {row[0]!r} than the log")

    def differences(self, tags: TagRows | None) -> Iterator[str]:
        """Name what the stored projections say otherwise; `fold` came first, `tags` are `grouped_tags`."""
        while self._stored is not None:
            self._foreign_finding(self._stored)
        yield from self._unlike
        if tags is None or len(tags) != len(self._tags) or not all(map(self._is_same, tags)):
            yield from self._tag_by_tag()

    def _is_same(self, stored: tuple[Any, str, int]) -> bool:
        heed(self._stop)
        tag, text, bad = stored
        return not bad and tag in self._tags and text == ",".join(map(str, self._tags[tag]))

    def _tag_by_tag(self) -> Iterator[str]:
        found: dict[Any, list[int]] = {}
        for tag, seq, is_good in self._connection.execute(_TAGS):
            if not is_good:
                yield f"tags has {(tag, seq)!r}, which is of another type"
            found.setdefault(tag, []).append(seq)
        for tag in sorted({*self._tags, *found}, key=repr):
            heed(self._stop)
            wanted, has = list(self._tags.get(tag, ())), found.get(tag, [])
            if wanted != has:
                some = sorted({*wanted} ^ {*has}, key=repr)[:3]
                yield f"tags says otherwise of {tag!r} than the log, for example at {some}"
