"""The trail as it grows: durable appends, and what a question and a proof cost in a short and a long log.

The logs are asked in turn, question by question, so that the machine's mood hits all alike. A growth of 1 is
flat; the ratio of the sizes would be linear.
"""

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final

from pev.events import Actor, Kind, NewEvent
from pev.models import Role, RunId, digest_of, run_stream
from pev.trail.query import TrailQuery
from pev.trail.store import Trail

SIZES: Final = (1_000, 10_000)
EVENTS_PER_RUN: Final = 20
REPEATS: Final = 100
_AUTHOR: Final = Actor(principal="local:ada", role=Role.AUTHOR)
_OPENED: Final = {
    "repo": "0123456789ab",
    "repo_name": "app",
    "task": "Division by zero gives a clear error",
    "trusted_ref": "refs/heads/main",
    "trusted_commit": "a" * 40,
    "base_ref": "refs/heads/main",
    "base_commit": "a" * 40,
    "policy_hash": digest_of(b"policy"),
    "policy_source": "detected",
    "max_attempts": 3,
}


def main() -> None:
    """Print the figures for 1,000 and 10,000 events."""
    measure(SIZES)


def measure(sizes: Sequence[int]) -> None:
    """Fill a trail to each of the ascending sizes, and print what each costs."""
    with tempfile.TemporaryDirectory(prefix="pev-bench-") as folder, ExitStack() as stack:
        bare = stack.enter_context(closing(_bare_log(Path(folder) / "bare.sqlite3")))
        paths = [Path(folder) / f"{size}" / "trail.sqlite3" for size in sizes]
        trails = [stack.enter_context(Trail.open(path)) for path in paths]
        for trail, size in zip(trails, sizes, strict=True):
            _fill(trail, size)
        print(f"{'':24}" + "".join(f"{size:>12,}" for size in sizes) + "   growth")
        for name, ask in QUESTIONS.items():
            _print_costs(name, _in_turn([_asking(trail, ask) for trail in trails]))
        commit = partial(bare.execute, "INSERT INTO log (body) VALUES (zeroblob(500))")
        costs = _in_turn([lambda _: commit(), *(_appending(trail) for trail in trails)])
        _print_costs("durable append", costs[1:])
        print(
            f"durable appends: {1 / costs[-1]:.0f}/s, each {costs[-1] / costs[0]:.2f} x a bare SQLite commit"
        )
        _print_size(trails[-1], paths[-1])


def _print_costs(name: str, costs: list[float]) -> None:
    figures = "".join(f"{cost * 1e6:>9.0f} µs" for cost in costs)
    print(f"{name:24}{figures}   x{costs[-1] / costs[0]:.2f}")


def _print_size(trail: Trail, path: Path) -> None:
    events = trail.head().size
    begun = time.perf_counter()
    report = trail.verify()
    spent = time.perf_counter() - begun
    print(f"verify: {spent / events * 1e6:.0f} µs per event ({report.summary})")
    print(f"size: {path.stat().st_size / events:.0f} bytes per event, indexes and tree included")


def _bare_log(path: Path) -> sqlite3.Connection:
    """Make the least that a durable log could be: one table."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, body BLOB)")
    return connection


def _asking(trail: Trail, ask: Callable[[Trail, int], object]) -> Callable[[int], object]:
    """Spread the repeats of a question over the whole log: it is told the number of an event."""
    size = trail.head().size
    return lambda n: ask(trail, n * size // REPEATS)


def _appending(trail: Trail) -> Callable[[int], object]:
    """Append one event to the newest run."""
    stream = run_stream(_run(_newest_run(trail)))
    version = trail.version(stream)
    return lambda n: trail.append(stream, [_work(n)], expected_version=version + n)


def _in_turn(works: Sequence[Callable[[int], object]]) -> list[float]:
    """Do each work in turn, many times, and give the median seconds of each."""
    spent: list[list[float]] = [[] for _ in works]
    for n in range(REPEATS):
        for work, own in zip(works, spent, strict=True):
            begun = time.perf_counter()
            work(n)
            own.append(time.perf_counter() - begun)
    return [statistics.median(own) for own in spent]


QUESTIONS: Final[dict[str, Callable[[Trail, int], object]]] = {
    "state of one run": lambda trail, at: trail.run_state(_run(at // EVENTS_PER_RUN)),
    "events of one run": lambda trail, at: trail.query(TrailQuery(run=_run(at // EVENTS_PER_RUN))),
    "events of one file": lambda trail, at: trail.query(TrailQuery(path=_file(at), limit=20)),
    "newest page": lambda trail, _: trail.query(TrailQuery(newest_first=True, limit=20)),
    "inclusion proof": lambda trail, at: trail.inclusion(at),
    "consistency proof": lambda trail, at: trail.consistency(at + 1),
    "head": lambda trail, _: trail.head(),
}


def _fill(trail: Trail, size: int) -> None:
    """Append whole runs until the log has `size` events."""
    while (at := trail.head().size) < size:
        opened = NewEvent(kind=Kind.RUN_OPENED, actor=_AUTHOR, payload=_OPENED)
        work = [_work(n) for n in range(1, EVENTS_PER_RUN)]
        trail.append(
            run_stream(_run(_newest_run(trail) + 1)), [opened, *work][: size - at], expected_version=0
        )


def _newest_run(trail: Trail) -> int:
    newest = trail.runs(limit=1).runs
    return int(newest[0].id, 16) if newest else -1


def _run(number: int) -> RunId:
    return RunId(f"{number:08x}")


def _file(n: int) -> str:
    return f"src/m{n % 7}.py"


def _work(n: int) -> NewEvent:
    payload = {
        "tool": "write_file",
        "path": _file(n),
        "outcome": "ok",
        "seconds": 0.01,
        "size_bytes": 1200 + n,
    }
    return NewEvent(kind=Kind.FILE_WRITTEN, actor=_AUTHOR, payload=payload)
