"""The only module that starts processes.

Argument lists only, an environment given in full, no terminal, no standard input unless given. A process
is the leader of its own group, and the whole group is killed when it ends, runs past its limit, or the
caller is cancelled.
"""

import contextlib
import os
import shutil
import signal
import subprocess  # nosec B404: the one module that starts processes
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import anyio
import anyio.abc

from pev.errors import ToolMissing

_CHUNK: Final = 2**16
_DRAIN_S: Final = 0.5
PASSED_ON: Final = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "PATH", "TMPDIR")


class Ending(StrEnum):
    """How a process ended."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMED_OUT = "timed-out"


@dataclass(frozen=True, slots=True)
class Completed:
    """A process that has ended, and what it wrote.

    `code` is the exit code, or minus the signal's number. `stdout` and `stderr` hold at most the limit
    asked for, head and tail, the middle cut out; `cut_bytes` says how much is missing.
    """

    argv: tuple[str, ...]
    code: int
    ending: Ending
    stdout: bytes
    stderr: bytes
    cut_bytes: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it exited by itself with code 0."""
        return self.ending is Ending.EXITED and self.code == 0

    def text(self) -> str:
        """Give standard output and standard error as text; bytes that are not UTF-8 are replaced."""
        return (self.stdout + self.stderr).decode("utf-8", "replace")


class _Capture:
    """Keeps the head and the tail of a stream within a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._half = max(1, limit_bytes // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self.cut_bytes = 0

    def feed(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room > 0 else chunk
        if len(self._tail) > 2 * self._half:
            self._trim()

    def _trim(self) -> None:
        over = len(self._tail) - self._half
        if over > 0:
            del self._tail[:over]
            self.cut_bytes += over

    def value(self) -> bytes:
        self._trim()
        mark = f"\n[... {self.cut_bytes} bytes cut out ...]\n".encode() if self.cut_bytes else b""
        return bytes(self._head) + mark + bytes(self._tail)


async def _drain(stream: anyio.abc.ByteReceiveStream | None, into: _Capture) -> None:
    if stream is None:
        return
    with contextlib.suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
        while True:
            into.feed(await stream.receive(_CHUNK))


async def _feed(stream: anyio.abc.ByteSendStream | None, data: bytes) -> None:
    if stream is None:
        return
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with stream:
            await stream.send(data)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def base_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the smallest environment that programs run in: locale, PATH and temporary folder, plus `extra`."""
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env.setdefault("PATH", os.defpath)
    env.setdefault("LANG", "C.UTF-8")
    return {**env, **(extra or {})}


def find_program(name: str, path: str | None = None) -> Path:
    """Give the absolute path of a program. Raises ToolMissing."""
    found = shutil.which(name, path=path)
    if found is None:
        raise ToolMissing(f"program {name!r} is not installed", hint=f"Install {name} and try again.")
    return Path(found).absolute()


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limit_s: float,
    stdin: bytes | None = None,
    output_bytes: int = 32 * 2**20,
    pass_fds: Sequence[int] = (),
    started: Callable[[int], Awaitable[bool]] | None = None,
    beside: Callable[[int], Awaitable[None]] | None = None,
) -> Completed:
    """Run a program to its end, or kill it and its group after `limit_s` seconds of wall time.

    `env` is the whole environment. Each stream keeps at most `output_bytes`. The program inherits the
    descriptors of `pass_fds`. `started` is called once with its process id, before anything of `stdin` is
    given; it does not raise, and if it gives False, the program is killed at once. `beside` then runs as long
    as the program does; it does not raise, and if it returns, the program is killed. A program that fails is
    a result, not an exception; raises ToolMissing if it cannot be started.
    """
    out, err = _Capture(output_bytes), _Capture(output_bytes)
    begun = time.monotonic()
    with anyio.CancelScope(shield=True):  # a caller that is cancelled here would lose the process
        process = await _open(argv, cwd, env, stdin is not None, pass_fds)
    ended = False
    try:
        async with anyio.create_task_group() as readers:
            readers.start_soon(_drain, process.stdout, out)
            readers.start_soon(_drain, process.stderr, err)
            with anyio.move_on_after(limit_s):
                if started is not None and not await started(process.pid):
                    _kill_group(process.pid)
                if stdin is not None:
                    readers.start_soon(_feed, process.stdin, stdin)
                await _wait(process, beside)
                ended = True
            _kill_group(process.pid)
            # a child that left the group may keep the pipes open: do not wait for it
            readers.cancel_scope.deadline = anyio.current_time() + _DRAIN_S
    finally:
        _kill_group(process.pid)
        with anyio.CancelScope(shield=True):
            await process.aclose()
    code = process.returncode if process.returncode is not None else -signal.SIGKILL
    ending = Ending.TIMED_OUT if not ended else Ending.EXITED if code >= 0 else Ending.SIGNALLED
    return Completed(
        argv=tuple(argv),
        code=code,
        ending=ending,
        stdout=out.value(),
        stderr=err.value(),
        cut_bytes=out.cut_bytes + err.cut_bytes,
        seconds=time.monotonic() - begun,
    )


async def run_with_person(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run a program that talks to the person at our own terminal, and give its exit code.

    It shares our standard streams and process group: it may ask for a passphrase, and an interrupt ends both.
    `env` is the whole environment. Raises ToolMissing if it cannot be started.
    """
    try:
        process = await anyio.open_process(
            list(argv), stdin=None, stdout=None, stderr=None, cwd=cwd, env=dict(env)
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as exc:
        raise _cannot_start(argv, cwd, exc) from exc
    try:
        return await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError), anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()


async def _wait(process: anyio.abc.Process, beside: Callable[[int], Awaitable[None]] | None) -> None:
    if beside is None:
        await process.wait()
        return

    async def until_it_returns() -> None:
        await beside(process.pid)
        _kill_group(process.pid)

    async with anyio.create_task_group() as others:
        others.start_soon(until_it_returns)
        await process.wait()
        others.cancel_scope.cancel()


async def _open(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], fed: bool, pass_fds: Sequence[int]
) -> anyio.abc.Process:
    try:
        return await anyio.open_process(
            list(argv),
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as exc:
        raise _cannot_start(argv, cwd, exc) from exc


def _cannot_start(argv: Sequence[str], cwd: Path, exc: OSError) -> ToolMissing:
    return ToolMissing(
        f"program {argv[0]!r} cannot be started in {str(cwd)!r}: {exc.strerror}",
        hint="Check that it is installed and that the folder exists.",
    )
