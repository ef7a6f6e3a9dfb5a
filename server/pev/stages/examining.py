"""Examining: every reading of the whole record takes its turn here, whoever asks for it, and can be ended.

It keeps a core busy for as long as the log is. Whoever is cancelled while it runs, a client that went away or
the server at its end, ends it within a fraction of a second.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from functools import partial
from typing import TypeVar

import anyio

from pev.models import Caller
from pev.trail.faults import Fault, without_details
from pev.trail.stopping import Stop

_T = TypeVar("_T")


class Examining:
    """The one place in a process where the whole record is read, one reading at a time."""

    def __init__(self) -> None:
        self._turn = anyio.CapacityLimiter(1)

    async def run(self, work: Callable[[Stop], _T]) -> _T:
        """Do blocking work in a thread when its turn has come; on cancellation wait until it has stopped."""
        async with self._turn:
            return await stoppable(work)


async def stoppable(work: Callable[[Stop], _T]) -> _T:
    """Do blocking work in a thread; on cancellation wait until it has stopped."""
    is_over = threading.Event()
    result: Future[_T] = Future()
    try:
        await anyio.to_thread.run_sync(partial(_work, work, is_over.is_set, result), abandon_on_cancel=True)
    finally:
        is_over.set()
        if not result.done() and not result.cancel():  # it is under way, and has the trail open
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(wait, [result])
    return result.result()


def _work(work: Callable[[Stop], _T], stop: Stop, result: "Future[_T]") -> None:
    if not result.set_running_or_notify_cancel():
        return
    try:
        found = work(stop)
    except BaseException as exc:  # noqa: BLE001  (handed to whoever waits)
        result.set_exception(exc)
    else:
        result.set_result(found)


def seen_by(caller: Caller, tenant: str | None, faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Give faults as a caller may read them, who came in as `tenant`: of others, kinds and numbers alone.

    None, both times, is somebody who sees all.
    """
    return tuple(faults) if caller.tenant is None and tenant is None else without_details(faults)
