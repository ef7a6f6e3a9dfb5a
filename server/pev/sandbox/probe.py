"""Tries a mechanism by breaking out of it: what it promises counts only if the attempts have no effect.

Each attempt is a real system call of a real process inside. The effects are looked at from outside: the
file, the listeners, the secrets in the output.
"""

import contextlib
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import anyio
from anyio.abc import TaskStatus

from pev import proc
from pev.errors import PevError
from pev.models import Model
from pev.proc import Completed
from pev.sandbox.interface import Command, Sandbox
from pev.text import one_line

_SCRIPT: Final = Path(__file__).with_name("inside") / "attempts.py"
_LIMIT_S: Final = 30.0
_MODE: Final = 0o751
_DONE: Final = "done"
_READS: Final = frozenset({"read outside", "list outside", "read another's environment", "read git data"})
_CALLS: Final = frozenset({"remount the root", "make a user namespace"})


class _Tried(NamedTuple):
    name: str
    said: str
    found: str


class Attempt(Model):
    """One attempt to break out. `stopped` is what counts, `said` what it got.

    `gap` says that this mechanism is known not to stop it; then it is called degraded.
    """

    name: str
    stopped: bool
    said: str
    gap: bool = False


class Trial(Model):
    """A mechanism that was tried. `fault` is why it cannot be used, or empty."""

    mechanism: str
    attempts: tuple[Attempt, ...] = ()
    fault: str = ""
    hint: str = ""

    @property
    def why(self) -> str:
        """Why it cannot be used: its fault, or what got out."""
        escaped = [one.name for one in self.attempts if not one.stopped and not one.gap]
        return self.fault or (f"a process inside could {', '.join(escaped)}" if escaped else "")

    @property
    def passed(self) -> bool:
        """Whether it can be used, and nothing got out."""
        return bool(self.attempts) and not self.why


@dataclass(slots=True)
class _Bait:
    """What an attempt would touch if it got out."""

    root: Path
    secret: str
    listeners: dict[str, socket.socket]
    given: dict[str, str]

    def heard(self) -> set[str]:
        """Name the listeners that something reached."""
        out = set()
        for name, sock in self.listeners.items():
            with contextlib.suppress(BlockingIOError):
                if sock.type == socket.SOCK_DGRAM:
                    sock.recv(16)
                else:
                    sock.accept()[0].close()
                out.add(name)
        return out


def interpreter_folders() -> tuple[Path, ...]:
    """List the folders that our own Python and its programs live in, for a sandbox to show read-only."""
    folders = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent)
    return tuple(dict.fromkeys(path for path in folders if os.access(path, os.R_OK | os.X_OK)))


async def try_out(sandbox: Sandbox) -> Trial:
    """Start a process in a sandbox that tries to break out, and say what came of it.

    Where the bait cannot be laid out (this process is confined itself), nothing is proven: a fault.
    """
    with contextlib.ExitStack() as stack:
        try:
            bait = stack.enter_context(_bait())
        except OSError as exc:
            return Trial(
                mechanism=sandbox.name,
                fault=f"it cannot be put to the test here: {exc.strerror}",
                hint="This process seems to be confined itself: start PEV outside of that.",
            )
        async with anyio.create_task_group() as tasks:
            bait.given["pid"] = str(await tasks.start(_victim, bait.secret))
            trial = await _try(sandbox, bait)
            tasks.cancel_scope.cancel()
    return trial


async def _victim(secret: str, *, task_status: TaskStatus[int]) -> None:
    """Run a process that must live through it, with a secret in its environment."""

    async def started(pid: int) -> bool:
        task_status.started(pid)
        return True

    argv = [str(proc.find_program("sleep")), str(2 * int(_LIMIT_S))]
    await proc.run(argv, cwd=Path("/"), env={"SECRET": secret}, limit_s=2 * _LIMIT_S, started=started)


async def _try(sandbox: Sandbox, bait: _Bait) -> Trial:
    granted = bait.root / "granted"
    command = Command(
        argv=(sys.executable, "-I", "-S", "-B", str(_SCRIPT), json.dumps(bait.given)),
        cwd=granted,
        env=proc.base_env(),
        limit_s=_LIMIT_S,
        writable=(granted,),
        readable=(*interpreter_folders(), _SCRIPT.parent),
    )
    try:
        done = await sandbox.run(command)
    except PevError as exc:
        return Trial(mechanism=sandbox.name, fault=exc.message, hint=exc.hint)
    return await anyio.to_thread.run_sync(_judge, sandbox, done, bait)


@contextlib.contextmanager
def _bait() -> Iterator[_Bait]:
    secret = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="pev-probe-") as name, contextlib.ExitStack() as stack:
        root = Path(name).resolve()
        (root / "granted").mkdir()
        canary, mode, git = root / f"canary-{secret}", root / "mode", root / "granted" / ".git"
        for path in (canary, mode, git):
            path.write_text(secret, encoding="ascii")
        kinds = {
            "connect over TCP": (socket.AF_INET, socket.SOCK_STREAM),
            "send over UDP": (socket.AF_INET, socket.SOCK_DGRAM),
            "connect to a socket file": (socket.AF_UNIX, socket.SOCK_STREAM),
            "connect to an abstract socket": (socket.AF_UNIX, socket.SOCK_STREAM),
        }
        listeners = {name: stack.enter_context(socket.socket(*kind)) for name, kind in kinds.items()}
        tcp, udp, file, abstract = listeners.values()
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        with contextlib.suppress(OSError):  # a datagram to a port of somebody else's says nothing
            udp.bind(("127.0.0.1", port))
        file.bind(str(root / "granted" / "socket"))
        abstract.bind(f"\0pev-{secret[:8]}")
        for sock in listeners.values():
            sock.setblocking(False)
            if sock.type == socket.SOCK_STREAM:
                sock.listen()
        given = {
            "canary": str(canary),
            "mode": str(mode),
            "port": str(port),
            "socket": str(root / "granted" / "socket"),
            "abstract": f"pev-{secret[:8]}",
            "git": str(git),
            "granted": str(root / "granted" / "written"),
        }
        yield _Bait(root=root, secret=secret, listeners=listeners, given=given)


def _judge(sandbox: Sandbox, done: Completed, bait: _Bait) -> Trial:
    """Weigh what the process said against what can be seen from outside."""
    if not done.ok or not (bait.root / "granted" / "written").exists():
        said = one_line(done.text(), 300)
        return Trial(mechanism=sandbox.name, fault=f"a plain program fails in it: {said}")
    tried = [_Tried(*json.loads(line)) for line in _lines(done)]
    effects = _effects(bait)
    attempts = []
    for one in tried:
        if one.name in _READS:
            stopped = bait.secret.encode() not in bytes.fromhex(one.found)
        else:
            stopped = not effects[one.name] if one.name in effects else one.said != _DONE
        gap = one.name in sandbox.gaps
        attempts.append(Attempt(name=one.name, stopped=stopped, said=one.said, gap=gap))
    missing = (effects.keys() | _READS | _CALLS) - {one.name for one in attempts}
    fault = f"it ended before it tried to {min(missing)}" if missing else ""
    return Trial(mechanism=sandbox.name, attempts=tuple(attempts), fault=fault)


def _lines(done: Completed) -> list[str]:
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("tried: ")]


def _effects(bait: _Bait) -> dict[str, bool]:
    """Say which attempts had an effect, as seen from outside."""
    heard = bait.heard()
    return {
        **{name: name in heard for name in bait.listeners},
        "write outside": Path(bait.given["canary"]).read_text(encoding="ascii") != bait.secret,
        "change a mode outside": Path(bait.given["mode"]).stat().st_mode & 0o777 == _MODE,
        "kill another process": not _alive(int(bait.given["pid"])),
    }


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
