"""The page itself: answers requests, hands a person's decision to the desk, and leads to the trail.

Every answer carries the headers that forbid scripts, frames, foreign content and caching. Host and Origin are
compared with the one address that the page is served at, so neither a rebound name nor another site gets in.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pev.boundary.dossier import open_dossier, waiting
from pev.engine import Engine, parse_run_id
from pev.errors import EventUnknown, Forbidden, InvalidInput, PevError, RunUnknown
from pev.models import Assurance, Caller, Channel, RunId, Scope
from pev.run import RunState
from pev_server.web.doors import Door
from pev_server.web.layout import STYLE, simple
from pev_server.web.sessions import Session, Sessions
from pev_server.web.trailing import answer_trail
from pev_server.web.views import list_page, run_page

MAX_BODY: Final = 65_536
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class Page:
    """Answers every request below `base`, a path that ends in a slash, at `origin`, as `http://127.0.0.1:1`."""

    def __init__(
        self,
        engine: Callable[[str | None], Awaitable[Engine]],
        door: Door,
        sessions: Sessions,
        *,
        origin: str,
        base: str,
    ) -> None:
        self._engine = engine
        self._door = door
        self._sessions = sessions
        self._origin = origin
        self._base = base

    async def __call__(self, request: Request) -> Response:
        """Answer a request. Nothing of a fault is told to somebody who has not come in."""
        response = await self._respond(request)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        if self._origin.startswith("https:"):
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response

    async def _respond(self, request: Request) -> Response:
        if request.headers.get("host", "") != urlsplit(self._origin).netloc:
            return HTMLResponse(simple("Not here", "This name is not the page's."), 421)
        if request.method not in ("GET", "POST") or not request.url.path.startswith(self._base):
            return HTMLResponse(simple("Not found", "There is nothing here."), 404)
        path = request.url.path.removeprefix(self._base)
        if request.method == "GET" and path == STYLE:
            return Response(files("pev_server.web").joinpath(STYLE).read_bytes(), media_type="text/css")
        if path in self._door.paths:
            return await self._door.answer(path, request, self._sessions)
        session = self._sessions.find(request)
        if session is None:
            return self._door.turn_away(path)
        try:
            return await self._inside(path, request, session)
        except PevError as exc:
            told = f"{exc.message}. {exc.hint}"
            return HTMLResponse(
                simple("That was not taken", told, base=self._base, back=self._base + path),
                _status_of(exc),
            )

    async def _inside(self, path: str, request: Request, session: Session) -> Response:
        engine = await self._engine(session.caller.tenant)
        who = session.caller.principal
        if path == "" and request.method == "GET":
            listed = await waiting(engine.core, session.caller)
            return HTMLResponse(list_page(listed, base=self._base, who=who))
        first, _, rest = path.partition("/")
        if first == "trail" and request.method == "GET":
            return await answer_trail(rest, request, engine, session.caller, self._base)
        if first != "runs":
            return HTMLResponse(simple("Not found", "There is nothing here.", base=self._base), 404)
        run_id = parse_run_id(rest)
        if request.method == "POST":
            await self._decide(engine, run_id, request, session)
            return RedirectResponse(f"{self._base}runs/{run_id}", 303)
        found = await open_dossier(engine.core, engine.desk, session.caller, run_id)
        unsigned = _no_decision(found.state, session.caller)
        return HTMLResponse(run_page(found, base=self._base, who=who, csrf=session.csrf, unsigned=unsigned))

    async def _decide(self, engine: Engine, run_id: RunId, request: Request, session: Session) -> None:
        given = await self._form(request, session)
        nonce = given.pop("nonce", "")
        await engine.desk.answer(run_id, nonce, given, channel=Channel.PAGE, caller=session.caller)

    async def _form(self, request: Request, session: Session) -> dict[str, Any]:
        """Read a form of ours, sent from a page of ours by the person of this session. Raises Forbidden."""
        if request.headers.get("origin") != self._origin:
            raise Forbidden("the form comes from another site", hint="Send it from this page.")
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Forbidden("the form comes from another site", hint="Send it from this page.")
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/x-www-form-urlencoded":
            raise InvalidInput(f"a body of the type {kind!r} is no form", hint="Send the form of this page.")
        pairs = _pairs(await _body(request))
        given: dict[str, Any] = {}
        for name, value in pairs:
            given[name] = f"{given[name]},{value}" if name == "findings" and name in given else value
        if not session.carried_by(given.pop("csrf", "")):
            raise Forbidden("the form does not carry this session's token", hint="Load the page again.")
        return given


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise InvalidInput(f"a form has at most {MAX_BODY} bytes", hint="Say it shorter.")
    return body


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=500,
        )
    except (UnicodeDecodeError, ValueError) as exc:
        raise InvalidInput("the body is no form", hint="Send the form of this page.") from exc


def _status_of(error: PevError) -> int:
    if isinstance(error, Forbidden):
        return 403
    if isinstance(error, RunUnknown | EventUnknown):
        return 404
    return 400 if isinstance(error, InvalidInput) else 409


def _no_decision(state: RunState, caller: Caller) -> str:
    """Say why this person can decide nothing here; "" if they can."""
    if Scope.APPROVE not in caller.scopes:
        return f"This login may read. Deciding needs {Scope.APPROVE}."
    if state.rules.min_assurance is not Assurance.SIGNED:
        return ""
    return f"The policy wants a signature. In a terminal: pev approve {state.id} --sign"
