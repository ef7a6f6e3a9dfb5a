"""The trail as it grows: durable appends by one and by many processes, questions, proofs, verification.

The logs are asked in turn, question by question, so that the machine's mood hits all alike. A growth of 1 is
flat; the ratio of the sizes would be linear.
"""

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final

from pev.events import Actor, Event, Kind, NewEvent
from pev.models import Role, RunId, digest_of, run_stream
from pev.trail.log import draft, write
from pev.trail.projections import Projector
from pev.trail.query import TrailQuery
from pev.trail.store import Trail

SIZES: Final = (1_000, 10_000)
WRITERS: Final = (1, 4, 16)
APPENDS: Final = 480
"""Appends of all writers together, each with its own transaction."""
EVENTS_PER_RUN: Final = 20
REPEATS: Final = 100
_RUNS_AT_ONCE: Final = 100
_WRITER: Final = """
import sys
from pathlib import Path
from pev.events import Actor, Kind, NewEvent
from pev.models import RepoId, Role, repo_stream
from pev.trail.store import Trail
path, number, appends = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
actor = Actor(principal=f"local:{number}", role=Role.AUTHOR)
with Trail.open(path, busy_s=60) as trail:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(appends):
        event = NewEvent(kind=Kind.COMMAND_RAN, actor=actor, payload={"n": n, "path": "src/app.py"})
        trail.append(repo_stream(RepoId(str(number))), [event], expected_version=n)
"""
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
    """Print the figures for 1,000 and 10,000 events, and for writers in separate processes."""
    measure(SIZES)
    measure_writers()


def measure_writers() -> None:
    """Let some processes append to one trail at the same time, and print how many appends a second last."""
    for count in WRITERS:
        with tempfile.TemporaryDirectory(prefix="pev-bench-") as folder:
            path = Path(folder) / "trail.sqlite3"
            with Trail.open(path):
                pass
            writers = [_writer(path, number, APPENDS // count) for number in range(count)]
            for one in writers:
                _line(one)
            begun = time.perf_counter()
            for one in writers:
                _go(one)
            for one in writers:
                one.wait()
            spent = time.perf_counter() - begun
            with Trail.open(path) as trail:
                assert trail.head().size == APPENDS // count * count
        print(f"{count:>3} writers: {APPENDS / spent:>7.0f} durable appends/s together")


def _writer(path: Path, number: int, appends: int) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", _WRITER, str(path), str(number), str(appends)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(writer: "subprocess.Popen[str]") -> None:
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"


def _go(writer: "subprocess.Popen[str]") -> None:
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()


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
        print("CPU of an append: " + ", ".join(f"{_cpu_of_append(one) * 1e6:.0f} µs" for one in trails))
        for trail, path in zip(trails, paths, strict=True):
            _print_size(trail, path)


def _cpu_of_append(trail: Trail) -> float:
    """Give the seconds of CPU of one append to the newest run, the kernel's included."""
    append = _appending(trail)
    begun = time.process_time()
    for n in range(REPEATS):
        append(n)
    return (time.process_time() - begun) / REPEATS


def _print_costs(name: str, costs: list[float]) -> None:
    figures = "".join(f"{cost * 1e6:>9.0f} µs" for cost in costs)
    print(f"{name:24}{figures}   x{costs[-1] / costs[0]:.2f}")


def _print_size(trail: Trail, path: Path) -> None:
    events = trail.head().size
    begun, worked = time.perf_counter(), time.process_time()
    report = trail.verify()
    spent, worked = time.perf_counter() - begun, time.process_time() - worked
    size = path.stat().st_size / events
    print(
        f"{events:>9,} events: verified in {spent:.1f} s with {worked:.1f} s of CPU"
        f" ({report.summary}); {size:.0f} bytes each, indexes and tree included"
    )


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
    """Append whole runs until the log has `size` events; many in one transaction, which is not measured."""
    at = trail.head().size
    while at < size:
        with trail._database.writing() as connection:  # noqa: SLF001 # nothing else goes so fast
            projector = Projector(connection)
            for _ in range(_RUNS_AT_ONCE):
                for event in _write_run(trail, connection, at // EVENTS_PER_RUN, size - at):
                    projector.apply(event)
                    at += 1
            projector.flush()


def _write_run(trail: Trail, connection: sqlite3.Connection, number: int, left: int) -> list[Event]:
    opened = NewEvent(kind=Kind.RUN_OPENED, actor=_AUTHOR, payload=_OPENED)
    work = [opened, *(_work(n) for n in range(1, EVENTS_PER_RUN))][:left]
    drafts = [draft(one, trail.redactor) for one in work]
    return write(connection, run_stream(_run(number)), 0, drafts)


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
