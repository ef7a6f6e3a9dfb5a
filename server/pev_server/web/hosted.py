"""The page beside a hosted server: below its public address, behind the person's own login."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from fastmcp import FastMCP

from pev.config import AuthSettings, PageSettings
from pev.engine import Engine
from pev_server.web.login import LoginDoor
from pev_server.web.page import Page
from pev_server.web.sessions import Sessions

BASE: Final = "/approvals/"


def origin_of(settings: AuthSettings) -> str:
    """Give the scheme and host that browsers reach the server by."""
    parts = urlsplit(settings.resource_url)
    return f"{parts.scheme}://{parts.netloc}"


def add_page(
    app: FastMCP[Any],
    settings: AuthSettings,
    page: PageSettings,
    engine: Callable[[str | None], Awaitable[Engine]],
) -> None:
    """Serve the page beside the server's own endpoint."""
    origin = origin_of(settings)
    door = LoginDoor(settings, page, origin=origin, base=BASE)
    sessions = Sessions(BASE, secure=origin.startswith("https:"))
    shown = Page(engine, door, sessions, origin=origin, base=BASE)
    app.custom_route(BASE + "{path:path}", methods=["GET", "POST"], include_in_schema=False)(shown.__call__)
