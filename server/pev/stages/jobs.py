"""Jobs: gates that go on while nobody waits for them.

One process runs a run's gate at a time; a file lock, which the kernel frees when its holder dies, says
who. Callers join a running job, and the last caller that gives up on it cancels it.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.abc

from pev.models import RunId

log = logging.getLogger("pev.jobs")
Progress = Callable[[str, float, float], Awaitable[None]]


@dataclass(slots=True)
class Job:
    """A piece of work in the background. `failure` is what ended it, if something did."""

    name: str
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    failure: Exception | None = None
    waiters: int = 0
    listeners: list[Progress] = field(default_factory=list)

    async def report(self, message: str, at: float, of: float) -> None:
        """Pass progress on to everyone who waits."""
        for listener in tuple(self.listeners):
            await listener(message, at, of)


class Jobs:
    """The jobs of this process, by run. Used as a context: leaving it cancels them all.

    They live in a task of their own: a server's lifespan may be entered and left by different tasks, which a
    task group does not bear.
    """

    def __init__(self) -> None:
        self._group: anyio.abc.TaskGroup | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._jobs: dict[RunId, Job] = {}

    async def __aenter__(self) -> Self:
        """Start taking jobs."""
        ready = anyio.Event()
        self._keeper = asyncio.create_task(self._keep(ready))
        await ready.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs and wait until it is gone."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    async def _keep(self, ready: anyio.Event) -> None:
        try:
            async with anyio.create_task_group() as self._group:
                ready.set()
                await anyio.sleep_forever()
        finally:
            self._group = None

    def background(self, work: Callable[[], Awaitable[None]]) -> None:
        """Start work that nobody waits for; what it raises is logged and ends nothing else."""

        async def guarded() -> None:
            try:
                await work()
            except Exception:
                log.exception("background work failed")

        self._running().start_soon(guarded)

    def _running(self) -> anyio.abc.TaskGroup:
        if self._group is None:
            raise RuntimeError("jobs are started within their context")
        return self._group

    def get(self, run_id: RunId) -> Job | None:
        """Give the running job of a run."""
        return self._jobs.get(run_id)

    def start(self, run_id: RunId, name: str, work: Callable[[Job], Awaitable[None]]) -> Job:
        """Start a job for a run that has none."""
        group = self._running()
        job = Job(name)
        self._jobs[run_id] = job
        group.start_soon(self._run, run_id, job, work)
        return job

    async def _run(self, run_id: RunId, job: Job, work: Callable[[Job], Awaitable[None]]) -> None:
        try:
            with job.scope:
                await work(job)
        except Exception as exc:  # noqa: BLE001  (handed to whoever waits; nobody else could see it)
            job.failure = exc
        finally:
            del self._jobs[run_id]
            job.done.set()

    async def wait(self, job: Job, *, limit_s: float, progress: Progress | None) -> bool:
        """Wait for a job, at most `limit_s` seconds; say whether it is done. Raises what ended it.

        If the caller itself is cancelled and nobody else waits, the job is cancelled.
        """
        job.waiters += 1
        if progress is not None:
            job.listeners.append(progress)
        try:
            with anyio.move_on_after(limit_s):
                await job.done.wait()
        except anyio.get_cancelled_exc_class():
            if job.waiters == 1:
                job.scope.cancel()
            raise
        finally:
            job.waiters -= 1
            if progress is not None:
                job.listeners.remove(progress)
        if job.failure is not None:
            raise job.failure
        return job.done.is_set()


class RunLock:
    """An exclusive lock on a run's gate over all processes; freed when the holder ends, however it ends."""

    def __init__(self, folder: Path, run_id: RunId) -> None:
        self._path = folder / f"{run_id}.lock"
        self._fd: int | None = None

    def take(self) -> bool:
        """Take the lock if nobody holds it; say whether it was taken."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def free(self) -> None:
        """Give the lock back."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
