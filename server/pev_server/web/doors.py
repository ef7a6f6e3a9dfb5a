"""Doors: how a person comes in to the page. Here the one of this machine: a link that works once."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pev.models import Caller
from pev_server.web.layout import onward, simple
from pev_server.web.sessions import Sessions

LINK_S: Final = 600.0


class Door(ABC):
    """What stands before the page."""

    paths: frozenset[str] = frozenset()
    """The paths below the page's own that this door answers itself."""

    @abstractmethod
    async def answer(self, path: str, request: Request, sessions: Sessions) -> Response:
        """Answer a request to one of `paths`."""

    @abstractmethod
    def turn_away(self, path: str) -> Response:
        """Answer a request of somebody who has not come in."""


class LinkDoor(Door):
    """Lets in whoever has the link that was printed at the terminal, once, within ten minutes."""

    paths = frozenset({"enter"})

    def __init__(self, caller: Caller, base: str, entered: Callable[[], None], *, to: str = "") -> None:
        """Let the person in as `caller`; `base` is the page's path; `entered` is told that they came.

        `to` is where they go then, below the page's path.
        """
        self._caller = caller
        self._base = base
        self._to = f"{base}{to}"
        self._entered = entered
        self._key: str | None = secrets.token_urlsafe(32)
        self._ends = time.monotonic() + LINK_S

    @property
    def link(self) -> str:
        """The path of the link, with its key: for the person's eyes alone."""
        return f"{self._base}enter?key={self._key}"

    async def answer(self, path: str, request: Request, sessions: Sessions) -> Response:
        """Take the key, and let its bearer in."""
        given = request.query_params.get("key", "").encode()
        good = self._key is not None and secrets.compare_digest(self._key.encode(), given)
        if request.method != "GET" or not good or time.monotonic() > self._ends:
            return self.turn_away(path)
        self._key = None
        response = HTMLResponse(onward(self._to))
        sessions.begin(self._caller, response)
        self._entered()
        return response

    def turn_away(self, path: str) -> Response:
        """Say where links come from."""
        told = (
            "Open the link that `pev approvals --open` or `pev trail --open` printed in your terminal."
            " Each link works once."
        )
        return HTMLResponse(simple("You are not signed in here", told), 401)
