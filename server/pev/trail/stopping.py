"""Lets a long look at the record be told to stop, so that nobody who leaves has to wait for its end.

What was stopped has found nothing: it ends with an exception, whatever it had seen.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

Stop = Callable[[], bool]
"""Asked again and again, from any thread; once it says yes, the work ends."""
_STEPS: Final = 50_000
"""How many steps SQLite takes between two questions: some milliseconds."""


class Stopped(Exception):
    """The work was told to stop before it had a result."""


def never() -> bool:
    """Let the work go on to its end."""
    return False


def heed(stop: Stop) -> None:
    """Raise Stopped if the work is to end."""
    if stop():
        raise Stopped


@contextmanager
def heeding(connection: sqlite3.Connection, stop: Stop) -> Iterator[None]:
    """Let `stop` end also what SQLite does meanwhile on a connection. Raises Stopped."""
    if stop is never:
        yield
        return
    connection.set_progress_handler(stop, _STEPS)
    try:
        yield
    except sqlite3.OperationalError as exc:
        if was_interrupted(exc):
            raise Stopped from exc
        raise
    finally:
        connection.set_progress_handler(None, 0)


def was_interrupted(exc: sqlite3.Error) -> bool:
    """Say whether SQLite ended a question because it was told to, and not for what is in the file."""
    code: int = getattr(exc, "sqlite_errorcode", 0) or 0
    return code & 0xFF == sqlite3.SQLITE_INTERRUPT
