"""Forks writers of one trail and kills each at a random instant; says what was lost, which must be nothing.

Run as `python -m support.kill_driver TRAIL COUNT SEED`, in a process of its own: it forks while it has one
thread and no open trail. Prints one line of JSON.
"""

import hashlib
import json
import math
import os
import select
import signal
import sys
from pathlib import Path
from typing import Final

from pev.errors import PevError
from pev.events import Kind
from pev.models import RepoId, RunId, repo_stream, run_stream
from pev.trail.store import Trail
from support.trail_events import event, record_run

STREAM: Final = repo_stream(RepoId("shared"))
AT_ONCE: Final = 3
MEAN_S: Final = 0.025


def write(path: Path, pipe: int, number: int) -> None:
    """Append until killed: whole runs, and threes of events; tell of each append that returned."""
    with Trail.open(path) as trail:
        os.write(pipe, b"open\n")
        if number % 4 == 0:
            run = RunId(f"{number:08x}")
            record_run(trail, run)
            os.write(pipe, f"run {run} {trail.version(run_stream(run))}\n".encode())
        while True:
            version = trail.version(STREAM)
            batch = [event(Kind.COMMAND_RAN, n=version + n, text="x" * 200) for n in range(AT_ONCE)]
            stored = trail.append(STREAM, batch, expected_version=version)
            os.write(pipe, f"events {stored[-1].version}\n".encode())


def instant(seed: int, number: int) -> float:
    """Give seconds until a kill: exponential, the same for the same seed and number."""
    drawn = int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:7], "big") / 2**56
    return -MEAN_S * math.log(1 - drawn)


def killed(path: Path, number: int, after_s: float) -> list[str]:
    """Fork a writer, kill it at some instant after it has opened the trail, and give what it told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            write(path, writer, number)
        finally:
            os._exit(1)
    os.close(writer)
    told = os.read(reader, 65_536)
    select.select([], [], [], after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reader, 65_536):
        told += more
    os.close(reader)
    return told.decode().splitlines()


def lost(trail: Trail, told: list[str]) -> list[str]:
    """Name what a writer was told of and is not there, and what is there by half."""
    out = []
    version = trail.version(STREAM)
    if version % AT_ONCE:
        out.append(f"{version} events are not in threes")
    for line in told:
        kind, *rest = line.split(" ")
        if kind == "events" and int(rest[0]) > version:
            out.append(f"{line}, the trail has {version}")
        if kind == "run":
            if trail.version(run_stream(RunId(rest[0]))) < int(rest[1]):
                out.append(f"{line}, and it is shorter")
            try:
                trail.run_state(RunId(rest[0]))
            except PevError as exc:
                out.append(f"{line}: {exc}")
    return out


def main(path: Path, count: int, seed: int) -> None:
    """Kill `count` writers one after another, each going on where the last one was stopped."""
    faults: list[str] = []
    appended = 0
    for number in range(count):
        told = killed(path, number, instant(seed, number))
        appended += sum(line.startswith("events") for line in told)
        with Trail.open(path) as trail:
            faults += lost(trail, told)
            if number % 50 == 49 or number == count - 1:
                report = trail.verify()
                faults += [] if report.intact else [f"after {number}: {report.summary}"]
    print(json.dumps({"killed": count, "appended": appended, "faults": faults}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
