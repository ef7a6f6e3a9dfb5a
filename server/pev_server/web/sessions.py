"""Sessions of the page: who is there, for how long, and the token that their forms must carry.

They live in memory: a server that starts again asks everybody to come in again.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from pev.models import Caller

SESSION_S: Final = 3_600.0
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Session:
    """A person who came in. `csrf` must come back with every form; `ends` is of the monotonic clock."""

    caller: Caller
    csrf: str
    ends: float

    def carried_by(self, given: str) -> bool:
        """Say whether a form carries this session's token."""
        return secrets.compare_digest(self.csrf.encode(), given.encode())


class Sessions:
    """Everybody who came in through one door.

    The cookie goes to `path` alone, so a server on another port of the same host does not see it unless it is
    asked for that path.
    """

    def __init__(self, path: str, *, secure: bool) -> None:
        self._name = "__Secure-pev" if secure else "pev"
        self._path = path
        self._secure = secure
        self._open: dict[str, Session] = {}

    def begin(self, caller: Caller, response: Response) -> Session:
        """Open a session, and put its cookie into a response."""
        now = time.monotonic()
        self._open = {key: one for key, one in self._open.items() if one.ends > now}
        while len(self._open) >= _MOST:
            del self._open[next(iter(self._open))]
        key = secrets.token_urlsafe(32)
        session = Session(caller, secrets.token_urlsafe(32), now + SESSION_S)
        self._open[key] = session
        response.set_cookie(
            self._name,
            key,
            max_age=int(SESSION_S),
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        return session

    def find(self, request: Request) -> Session | None:
        """Give the session that a request belongs to, if it has not ended."""
        session = self._open.get(request.cookies.get(self._name, ""))
        return session if session is not None and session.ends > time.monotonic() else None
