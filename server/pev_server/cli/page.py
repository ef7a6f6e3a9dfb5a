"""Serves the page on loopback for the person at this terminal, until they interrupt it."""

import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pev.engine import Engine
from pev_server.cli.output import print_note
from pev_server.cli.person import operator


async def serve_page(engine: Engine, *, browser: bool, to: str = "") -> None:
    """Print a link that works once, and serve the page that it opens: at `to`, below the page's path.

    With `browser` a browser is opened on it. Ends with the process's interruption.
    """
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Route

    from pev_server.web.doors import LinkDoor
    from pev_server.web.page import Page
    from pev_server.web.presence import Presence
    from pev_server.web.sessions import Sessions

    with socket.socket() as listening, Presence(engine.core.config.state_dir) as presence:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # whoever opens the link at once waits, and is not refused
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        # cookies know no ports: below a path that nobody guesses, other servers here do not get this one
        base = f"/approvals/{secrets.token_urlsafe(16)}/"

        async def itself(tenant: str | None) -> Engine:
            return engine.within(tenant)

        door = LinkDoor(operator(), base, lambda: presence.tell(f"{origin}{base}"), to=to)
        page = Page(itself, door, Sessions(base, secure=False), origin=origin, base=base)
        app = Starlette(routes=[Route("/{path:path}", page.__call__, methods=["GET", "POST"])])
        settings = uvicorn.Config(app, access_log=False, log_level="warning", lifespan="off")
        print_note("The page waits for you. Open this link, once, within ten minutes:")
        sys.stdout.write(f"{origin}{door.link}\n")
        sys.stdout.flush()
        with _opened(f"{origin}{door.link}") if browser else _nothing():
            print_note("Ctrl-C ends it.")
            await uvicorn.Server(settings).serve(sockets=[listening])


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _opened(link: str) -> Iterator[None]:
    """Open a browser on a file of the person's own that leads to the link: no list of processes shows it."""
    import webbrowser

    with tempfile.TemporaryDirectory(prefix="pev-link-") as folder:
        file = Path(folder, "open.html")
        file.touch(0o600)
        file.write_text(f'<meta http-equiv="refresh" content="0; url={link}">', "ascii")
        webbrowser.open(file.as_uri())
        yield
