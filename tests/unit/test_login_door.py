"""The login door: what a browser keeps of a login for us, and what strangers cannot do to it."""

from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import Response

from pev.config import AuthSettings, PageSettings
from pev_server.web.login import LoginDoor, Metadata
from pev_server.web.sessions import Sessions

HOME: Final = "https://login.example.invalid"
KNOWN: Final = Metadata(
    issuer=HOME,
    authorization_endpoint=f"{HOME}/authorize",
    token_endpoint=f"{HOME}/token",
    jwks_uri=f"{HOME}/jwks",
)
SESSIONS: Final = Sessions("/approvals/", secure=True)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> LoginDoor:
    async def discovered(_: LoginDoor) -> Metadata:
        return KNOWN

    monkeypatch.setattr(LoginDoor, "_discovered", discovered)
    settings = AuthSettings.model_validate(
        {"issuer": HOME, "audience": "a", "resource_url": "https://pev.example.invalid", "jwks_url": HOME}
    )
    page = PageSettings(client_id="c")
    return LoginDoor(settings, page, origin="https://pev.example.invalid", base="/approvals/")


async def send(door: LoginDoor, path: str, cookie: str = "", **query: str) -> Response:
    scope = {"type": "http", "method": "GET", "path": f"/approvals/{path}"}
    headers = [(b"cookie", f"pev-login={cookie}".encode())]
    request = Request({**scope, "query_string": urlencode(query).encode(), "headers": headers})
    return await door.answer(path, request, SESSIONS)


async def begun(door: LoginDoor, **query: str) -> tuple[str, str]:
    """Begin a login: give the cookie and the state that goes to the issuer."""
    away = await send(door, "login", **query)
    cookie = away.headers["set-cookie"].partition(";")[0].partition("=")[2]
    return cookie, parse_qs(urlsplit(away.headers["location"]).query)["state"][0]


async def answered(door: LoginDoor, cookie: str, state: str) -> str:
    """Come back with what the issuer says of somebody whom it turned away, and give the page."""
    back = await send(door, "callback", cookie, state=state, error="access_denied")
    assert back.status_code == 403
    return bytes(back.body).decode()


async def test_strangers_who_begin_logins_end_nobody_else_s(door: LoginDoor) -> None:
    """What a login is made of lies with its browser, so there is nothing here to use up."""
    cookie, state = await begun(door)
    for _ in range(1_500):
        await begun(door)
    assert "access_denied" in await answered(door, cookie, state)
    assert "no login of this browser" in await answered(door, cookie, state)


async def test_a_login_that_was_changed_or_made_up_is_none_of_ours(door: LoginDoor) -> None:
    cookie, state = await begun(door, to="trail/")
    other, _ = await begun(door)
    body, _, seal = cookie.partition(".")
    for forged in (
        "",
        ".",
        body,
        f"{body}.",
        f"{other.partition('.')[0]}.{seal}",
        f"A{cookie}",
        f"{cookie}0",
    ):
        assert "no login of this browser" in await answered(door, forged, state)
    assert "another login" in await answered(door, other, state)
    assert "access_denied" in await answered(door, cookie, state)
