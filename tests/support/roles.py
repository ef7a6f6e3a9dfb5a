"""Sessions that hold one role, and models that say what a test wrote down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastmcp import Client

from pev.config import load_config
from pev.models import Role
from pev_server.app import create_app
from support.clients import Era


@asynccontextmanager
async def session(
    cwd: Path, role: Role | None = None, *, era: Era = "auto", **options: Any
) -> AsyncIterator[Client[Any]]:
    """Connect a client to a server of ours, in this process, whose sessions hold a role."""
    app = create_app(load_config(), cwd=cwd, role=role)
    async with Client(app, mode=era, timeout=120, **options) as client:
        yield client
