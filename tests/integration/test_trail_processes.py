"""The trail among processes: writers at once, one that is killed, one that may not write, a full disk."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from pev.models import RepoId, RunId, repo_stream, run_stream
from pev.trail.store import Trail

SERVER: Final = Path(__file__).parents[2] / "server"
TESTS: Final = Path(__file__).parents[1]
PREAMBLE: Final = """
import os, signal, sys
from pathlib import Path
from pev.errors import PevError, VersionConflict
from pev.events import Actor, Kind, NewEvent
from pev.models import RepoId, Role, RunId, repo_stream, run_stream
from pev.trail.store import Trail

path, worker = Path(sys.argv[1]), int(sys.argv[2])
actor = Actor(principal=f"worker-{worker}", role=Role.SERVER)
stream = repo_stream(RepoId("shared"))

def ran(n):
    return NewEvent(kind=Kind.COMMAND_RAN, actor=actor, payload={"worker": worker, "n": n})

def say(text):
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()
"""
# A process without capabilities is bound by file modes even if it runs as root.
WITHOUT_POWERS: Final = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capset(header, data) == 0, ctypes.get_errno()
"""


def start(script: str, path: Path, worker: int = 0) -> "subprocess.Popen[str]":
    """Start a process that runs `script` over the trail at `path`."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + dedent(script), str(path), str(worker)],
        env={**os.environ, "PYTHONPATH": str(SERVER)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait for a process and give what it printed; it must have gone well."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_processes_that_append_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """A stdio server, a command line and an HTTP server over one file, made by whichever comes first."""
    path = tmp_path / "state" / "trail.sqlite3"
    script = """
        sys.stdin.readline()
        with Trail.open(path) as trail:
            for n in range(40):
                trail.append(stream, [ran(n), ran(n + 0.5)], expected_version=None)
        """
    workers = [start(script, path, worker) for worker in range(4)]
    for worker in workers:  # all are ready: now they begin together, with the making of the file
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        finish(worker)

    with Trail.open(path) as trail:
        events = trail.read(repo_stream(RepoId("shared")))
        assert trail.verify().intact

    assert [one.seq for one in events] == list(range(4 * 40 * 2))
    for number in range(4):
        own = [one for one in events if one.actor.principal == f"worker-{number}"]
        assert [(one.payload or {})["n"] for one in own] == [n + half for n in range(40) for half in (0, 0.5)]
        # what was appended in one call stands together
        assert all(second.seq == first.seq + 1 for first, second in zip(own[::2], own[1::2], strict=True))


def test_of_processes_that_decide_on_one_version_one_wins_each_time(tmp_path: Path) -> None:
    """Who loses looks again and tries again: a counter that is read, raised and written loses no step."""
    path = tmp_path / "trail.sqlite3"
    script = """
        sys.stdin.readline()
        done = conflicts = 0
        with Trail.open(path) as trail:
            while done < 15:
                seen = trail.read(stream)
                try:
                    trail.append(stream, [ran(len(seen))], expected_version=len(seen))
                    done += 1
                except VersionConflict:
                    conflicts += 1
        say(str(conflicts))
        """
    workers = [start(script, path, worker) for worker in range(3)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        finish(worker)

    with Trail.open(path) as trail:
        counted = [(one.payload or {})["n"] for one in trail.read(repo_stream(RepoId("shared")))]
        assert trail.verify().intact
    assert counted == list(range(45))


@pytest.mark.parametrize("acknowledged", [1, 7, 23])
def test_a_killed_writer_leaves_every_acknowledged_event_and_no_half_one(
    tmp_path: Path, acknowledged: int
) -> None:
    """Killed in the middle of its work: what it reported is there, and only whole appends are."""
    path = tmp_path / "trail.sqlite3"
    script = """
        trail = Trail.open(path)
        n = 0
        while True:
            stored = trail.append(stream, [ran(n), ran(n), ran(n)], expected_version=3 * n)
            say(str(stored[-1].version))
            n += 1
        """
    process = start(script, path)
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(acknowledged)]
    process.kill()
    reported += [int(line) for line in process.communicate()[0].splitlines() if line]

    with Trail.open(path) as trail:
        events = trail.read(repo_stream(RepoId("shared")))
        report = trail.verify()
        after = trail.append(repo_stream(RepoId("shared")), [], expected_version=len(events))

    assert report.intact, report.summary
    assert len(events) >= max(reported)
    assert [(one.payload or {})["n"] for one in events] == [n // 3 for n in range(len(events))]
    assert len(events) % 3 == 0
    assert after == []


def test_a_writer_that_is_killed_inside_of_a_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    """The state of a run and its log move together or not at all."""
    path = tmp_path / "trail.sqlite3"
    script = """
        trail = Trail.open(path)
        trail.append(stream, [ran(0)], expected_version=0)
        with trail._database.writing() as connection:
            from pev.trail import log
            log.write(connection, stream, 1, [log.draft(ran(1), trail.redactor)])
            say("inside")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    process = start(script, path)
    out, _ = process.communicate(timeout=60)

    assert out.strip() == "inside"
    with Trail.open(path, busy_s=1) as trail:
        assert trail.head().size == 1
        assert trail.verify().intact
        trail.append(repo_stream(RepoId("shared")), [], expected_version=1)


def test_a_place_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    """A read-only folder: nothing can be made in it, and what is in it can only be looked at."""
    empty, filled = tmp_path / "empty", tmp_path / "filled"
    for folder in (empty, filled):
        folder.mkdir()
    with Trail.open(filled / "trail.sqlite3"):
        pass
    (filled / "trail.sqlite3").chmod(0o400)
    script = (
        WITHOUT_POWERS
        + """
try:
    Trail.open(path)
except PevError as exc:
    say(f"{exc.code}|{exc.message}|{exc.hint}")
"""
    )
    said = []
    for folder in (empty, filled):
        folder.chmod(0o500)
        said.append(finish(start(script, folder / "trail.sqlite3")))
        folder.chmod(0o700)

    assert [one.split("|")[0] for one in said] == ["trail.unavailable"] * 2
    assert "cannot be made: Permission denied" in said[0]
    assert "is read-only" in said[1] or "cannot be opened" in said[1]
    assert all("PEV_STATE_DIR" in one for one in said)


def test_a_full_disk_is_said_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    """The limit on file sizes stands in for a disk without room: every write beyond it fails."""
    path = tmp_path / "trail.sqlite3"
    script = """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with Trail.open(path) as trail:
            trail.append(stream, [ran(0)], expected_version=0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
            n = 1
            try:
                while True:
                    trail.append(stream, [ran("x" * 50_000)], expected_version=n)
                    n += 1
            except PevError as exc:
                say(f"{n}|{exc.code}|{exc.message}|{exc.hint}")
            say(str(trail.version(stream)))
        """
    first, second = finish(start(script, path)).splitlines()
    count, code, message, hint = first.split("|")

    assert int(count) > 3
    assert code == "trail.unavailable"
    assert "disk" in message
    assert "space" in hint
    assert second == count
    with Trail.open(path) as trail:
        assert trail.version(repo_stream(RepoId("shared"))) == int(count)
        assert trail.verify().intact
        trail.append(repo_stream(RepoId("shared")), [], expected_version=int(count))


def test_a_forked_process_must_open_the_trail_itself(tmp_path: Path) -> None:
    """A connection that two processes share corrupts the file (sqlite.org/howtocorrupt.html, 2.6)."""
    path = tmp_path / "trail.sqlite3"
    script = """
        trail = Trail.open(path)
        child = os.fork()
        if child == 0:
            try:
                trail.append(stream, [ran(0)], expected_version=0)
            except PevError as exc:
                say(exc.message)
            trail.close()
            os._exit(0)
        os.waitpid(child, 0)
        trail.append(stream, [ran(0)], expected_version=0)
        trail.close()
        """
    out = finish(start(script, path))

    assert "which this one was forked from" in out
    with Trail.open(path) as trail:
        assert trail.head().size == 1


def test_a_run_recorded_by_one_process_is_seen_by_another(tmp_path: Path) -> None:
    """A person approves in a terminal what a host planned."""
    path = tmp_path / "trail.sqlite3"
    script = f"""
        sys.path.insert(0, {str(TESTS)!r})
        from support.trail_events import opened, plan_submitted
        with Trail.open(path) as trail:
            trail.append(run_stream(RunId("0a1b2c3d")), [opened(), plan_submitted()], expected_version=0)
        """
    with Trail.open(path) as trail:
        finish(start(script, path))
        state = trail.run_state(RunId("0a1b2c3d"))

        assert state.status == "awaiting_approval"
        assert trail.version(run_stream(RunId("0a1b2c3d"))) == 2
        assert [run.id for run in trail.runs(open_only=True)] == ["0a1b2c3d"]
