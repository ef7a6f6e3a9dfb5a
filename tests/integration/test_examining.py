"""Readings of the whole record, as the engine does them: whoever goes away ends theirs."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from pev.engine import Engine
from pev.stages.examining import Examining, stoppable
from pev.trail.stopping import Stop, Stopped
from support.engines import PERSON, engine_at
from support.repos import UserRepoFixture


class Endless:
    """Work that only ends when it is told to."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()

    def __call__(self, stop: Stop) -> None:
        self.begun.set()
        while not stop():
            pass
        self.ended.set()
        raise Stopped

    async def under_way(self) -> None:
        await anyio.to_thread.run_sync(self.begun.wait)


async def test_who_is_cancelled_ends_the_work_and_waits_until_it_is_gone() -> None:
    """The trail is closed next: nobody may still read in it."""
    work = Endless()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(stoppable, work)
            await work.under_way()
            group.cancel_scope.cancel()
    assert work.ended.is_set()


async def test_work_that_was_cancelled_before_its_turn_is_never_begun() -> None:
    examining, first, second = Examining(), Endless(), Endless()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(examining.run, first)
            await first.under_way()
            with anyio.move_on_after(0.01):
                await examining.run(second)
            assert not second.begun.is_set()
            group.cancel_scope.cancel()
    assert await examining.run(lambda stop: stop()) is False, "the turn was given back"


async def test_the_next_reading_begins_when_the_one_that_was_stopped_has_ended() -> None:
    """A client that asks and goes away, again and again, gets no more than one core."""
    examining, work = Examining(), Endless()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            inner = anyio.CancelScope()

            async def leaving() -> None:
                with inner:
                    await examining.run(work)

            group.start_soon(leaving)
            await work.under_way()
            inner.cancel()
            assert await examining.run(lambda _: work.ended.is_set())


async def test_what_the_work_raises_is_raised() -> None:
    def failing(_: Stop) -> None:
        raise LookupError("this")

    with pytest.raises(LookupError, match="this"):
        await stoppable(failing)


async def looking(engine: Engine) -> None:
    await engine.monitoring.standing(PERSON, wait_s=0)


async def verifying(engine: Engine) -> None:
    await engine.reading.verify(PERSON)


@pytest.mark.parametrize("begin", [looking, verifying])
async def test_an_engine_that_ends_waits_for_no_verification(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Engine], Any]
) -> None:
    """Ctrl-C, and a host that goes away, end here."""
    work = Endless()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group, engine_at(user_repo.path) as engine:
            monkeypatch.setattr(engine.core.trail, "examine", lambda *, stop, **_: work(stop))
            group.start_soon(partial(begin, engine))
            await work.under_way()
            group.cancel_scope.cancel()
    assert work.ended.is_set()
