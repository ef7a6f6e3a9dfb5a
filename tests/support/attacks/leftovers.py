"""Living on when the command has ended, ran out of time, was cancelled, or its server was killed.

Each survivor shows a sign of life in the worktree and ends by itself after some seconds.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support.attacks.kit import Attack, Place, attempt, beat, call, family, tried, wait_for


def _fork(then: Callable[[], None]) -> None:
    if os.fork() == 0:
        with tried():
            then()
        os._exit(0)


def _plain(at: Place) -> None:
    _fork(lambda: beat(at))


def _session(at: Place) -> None:
    def lead() -> None:
        os.setsid()
        beat(at)

    _fork(lead)


def _daemon(at: Place) -> None:
    def first() -> None:
        os.setsid()
        for number in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        _fork(lambda: beat(at))

    _fork(first)
    with tried():
        os.wait()


def _deaf(at: Place) -> None:
    def lead() -> None:
        os.setsid()
        for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
            with tried():
                signal.signal(number, signal.SIG_IGN)
        beat(at)

    _fork(lead)


def _group(at: Place) -> None:
    def lead() -> None:
        os.setpgid(0, 0)
        beat(at)

    _fork(lead)


def _runner(at: Place) -> None:
    """Fork again and again, so that each process is gone before it is found."""

    def run() -> None:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        opened = os.open(f"{at.work}/beat", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        ends = time.monotonic() + 6
        while time.monotonic() < ends:
            os.write(opened, b".")
            if os.fork():
                os._exit(0)
            time.sleep(0.002)

    _fork(run)


def _stopped(at: Place) -> None:
    """A stopped process does nothing, but it is there, and whoever wakes it up wakes it outside."""
    child = os.fork()
    if child == 0:
        signal.alarm(8)
        os.setsid()
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    Path(at.work, "beat").write_bytes(b".")


def _shell(at: Place) -> None:
    again = f"i=0; while [ $i -lt 400 ]; do printf . >>{at.work}/beat; sleep 0.02; i=$((i+1)); done"
    subprocess.run(["sh", "-c", f"nohup setsid sh -c '{again}' >/dev/null 2>&1 &"], check=False)


def _sibling(at: Place) -> None:
    """A child of our parent, for which nobody waits."""
    if call("clone", 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:  # CLONE_PARENT
        with tried():
            os.setsid()
            beat(at)
        os._exit(0)


def _guardian(at: Place) -> None:
    """Orphans come to us, not to the one who would end them."""
    call("prctl", 36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    _daemon(at)


def _deathless(at: Place) -> None:
    """No signal when a parent dies, for us or what we start."""
    call("prctl", 1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG
    _session(at)


def _killer(at: Place) -> None:
    """End, or at least stop, whoever is there to end us; never the driver."""

    def lead() -> None:
        number = os.getppid()
        os.setsid()
        while number > 1 and number != at.driver:
            stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
            above = int(stat.rpartition(")")[2].split()[1])
            with tried():
                os.kill(number, signal.SIGSTOP)
                os.kill(number, signal.SIGKILL)
            number = above
        with tried():
            os.kill(1, signal.SIGSTOP) if os.getpid() < 100 else None
        beat(at)

    _fork(lead)


_WAYS: dict[str, Attack] = {
    "child": _plain,
    "session": _session,
    "daemon": _daemon,
    "deaf": _deaf,
    "group": _group,
    "runner": _runner,
    "stopped": _stopped,
    "nohup": _shell,
}
_ENDED_BY_PROC = {"child": {"naive": True}, "group": {}, "deaf": {}}


@family(_WAYS, odd=_ENDED_BY_PROC)
def after_exit(at: Place, way: Attack) -> None:
    """The command has ended by itself, and left something running."""
    way(at)
    wait_for(f"{at.work}/beat")


@attempt()
def pipes_held_open(at: Place) -> None:
    """A child that holds the output open, so that whoever reads it waits."""
    _session(at)
    wait_for(f"{at.work}/beat")
    print("done", flush=True)


@family({"sibling": _sibling, "guardian": _guardian, "killer": _killer})
def after_exit_by(at: Place, way: Attack) -> None:
    """The same, against those who know how commands are ended."""
    way(at)
    wait_for(f"{at.work}/beat")


@attempt(ends="timeout", limit_s=1.0, inert="a time limit is kept without a sandbox too")
def stopped_by_itself(at: Place) -> None:
    """A stopped command does not end by itself."""
    os.kill(os.getpid(), signal.SIGSTOP)
    beat(at)


def _linger(at: Place, way: Attack) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    way(at)
    time.sleep(8)


_SOME = {name: _WAYS[name] for name in ("session", "daemon", "deaf", "runner")}


@family(_SOME, ends="timeout", limit_s=1.0)
def after_time_out(at: Place, way: Attack) -> None:
    """The command ran past its limit."""
    _linger(at, way)


@family(_SOME, ends="cancelled")
def after_cancelling(at: Place, way: Attack) -> None:
    """The one who called was cancelled, or went away."""
    _linger(at, way)


@family({"child": _plain, **_SOME}, ends="killed")
def after_server_was_killed(at: Place, way: Attack) -> None:
    """The server was killed and could clean up nothing."""
    _linger(at, way)


@family({"guardian": _guardian, "deathless": _deathless, "sibling": _sibling}, ends="killed")
def after_server_was_killed_by(at: Place, way: Attack) -> None:
    """The same, against those who rely on signals at a parent's death."""
    _linger(at, way)
