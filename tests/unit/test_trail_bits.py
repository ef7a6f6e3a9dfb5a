"""Any bit of any value that the trail stores: turned around, it is found.

Where the other tests name what an intruder would do, this one does what nobody thought of.
"""

import shutil
import sqlite3
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pev.errors import PevError
from pev.trail.blobs import unpack
from pev.trail.store import Trail
from support.tampering import opened_raw, small_trail
from support.trail_events import PERSON

CELLS: Final = {
    "events": ("seq", "stream", "version", "kind", "at", "envelope", "salt", "payload"),
    "nodes": ("level", "place", "hash"),
    "blobs": ("digest", "size", "packed"),
    "runs": ("run", "repo", "opened", "is_over", "state"),
    "tags": ("tag", "seq"),
    "findings": ("seq", "nth", "run", "path", "fingerprint", "body"),
    "approvals": ("seq", "run", "principal", "body"),
}
"""All but the labels of blobs, which nothing binds, and `shape`, by which projections are made anew."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = small_trail(tmp_path_factory.mktemp("trail"))
    with Trail.open(path) as trail:
        trail.erase(PERSON, "asked for", events=[24])
        assert trail.verify().intact
    return path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.sqlite3"


def turned(value: Any, place: int, bit: int) -> Any:
    """Give a value with one bit of it turned around."""
    if isinstance(value, int):
        return value ^ (1 << (8 * (place % 4) + bit))
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[place % len(data)] ^= 1 << bit
    return bytes(data)


def rows_of(file: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    return file.execute(" ".join(["SELECT", ", ".join(CELLS[table]), "FROM", table])).fetchall()


def tamper(path: Path, data: st.DataObject) -> str | None:
    """Turn one bit of one value, as an intruder would who writes to the file; None where SQLite refuses."""
    with opened_raw(path) as file:
        table = data.draw(st.sampled_from(sorted(CELLS)))
        rows = rows_of(file, table)
        row = data.draw(st.sampled_from(rows))
        column = data.draw(st.sampled_from(CELLS[table]))
        value = row[CELLS[table].index(column)]
        if value is None or value == b"":  # an erased payload and its salt: nothing is left to be turned
            return None
        new = turned(value, data.draw(st.integers(0, 10_000)), data.draw(st.integers(0, 7)))
        if column == "packed" and unpack(new, row[1]) == unpack(value, row[1]):
            return None  # a bit that compression does not use: the content is the same
        written = "CAST(? AS TEXT)" if isinstance(value, str) else "?"
        where = " AND ".join(f"{one} IS ?" for one in CELLS[table])
        try:
            file.execute(
                " ".join(["UPDATE", table, "SET", column, "=", written, "WHERE", where]), (new, *row)
            )
        except sqlite3.IntegrityError:
            return None  # another row has that key: it was not written
    return f"{table}.{column}"


def found(path: Path) -> bool:
    try:
        with Trail.open(path) as trail:
            return not trail.verify().intact
    except PevError:
        return True  # a trail that cannot be opened is noticed, too


def check(original: Path, copy: Path, data: st.DataObject) -> None:
    for leftover in copy.parent.glob("copy.sqlite3*"):
        leftover.unlink(missing_ok=True)  # what a damaged trail left open goes in its own time
    shutil.copyfile(original, copy)
    what = tamper(copy, data)
    if what is not None:
        assert found(copy), what


@pytest.mark.long_search
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bit_of_a_stored_value_turns_unnoticed(original: Path, copy: Path, data: st.DataObject) -> None:
    check(original, copy, data)


@pytest.mark.slow
@settings(max_examples=1_500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bit_of_any_stored_value_turns_unnoticed(original: Path, copy: Path, data: st.DataObject) -> None:
    check(original, copy, data)


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        *(("events", one, "BLOB") for one in ("stream", "kind", "at", "payload")),
        *(("events", one, "TEXT") for one in ("envelope", "salt")),
        ("nodes", "hash", "TEXT"),
        ("tags", "tag", "BLOB"),
        ("runs", "run", "BLOB"),
        ("findings", "path", "BLOB"),
        ("approvals", "principal", "BLOB"),
    ],
)
def test_a_value_of_another_type_is_noticed(
    original: Path, copy: Path, table: str, column: str, kind: str
) -> None:
    """Text that became bytes looks the same, and is found by no question any more."""
    shutil.copyfile(original, copy)
    with opened_raw(copy) as file:
        cast = f"CAST({column} AS {kind})"
        file.execute(" ".join(["UPDATE", table, "SET", column, "=", cast]))

    assert found(copy)


def test_the_tables_are_all_looked_at(original: Path) -> None:
    """A table that is added later must be proven too."""
    with opened_raw(original) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert all(rows_of(file, table) for table in CELLS)
    assert tables - {"shape"} == set(CELLS)
