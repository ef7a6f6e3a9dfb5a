"""Opens the engine for the life of a server, but not before it is needed.

A host waits for the list of tools, and that needs no engine: the trail is opened and the rooms of the engine
are imported after the first answer, or with the first call, whichever comes first.
"""

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio

from pev.config import Config
from pev.engine import Engine, open_engine
from pev.errors import PevError
from pev.roles.asker import Asker
from pev_server import telemetry
from pev_server.telemetry import Telemetry

log = logging.getLogger("pev.server")
WARM_AFTER_S: Final = 1.0


class EngineHolder:
    """The engine of one server. Used as a context; leaving it closes the engine."""

    def __init__(self, config: Config, cwd: Path | None, asker: Asker | None = None) -> None:
        self._config = config
        self._asker = asker
        self._cwd = cwd
        self._stack = AsyncExitStack()
        self._lock = anyio.Lock()
        self._engine: Engine | None = None
        self._warming: asyncio.Task[None] | None = None
        self._telemetry: Telemetry | None = None

    async def __aenter__(self) -> Self:
        """Let the engine be opened, at the latest a moment from now."""
        self._telemetry = telemetry.start(self._config)
        self._warming = asyncio.create_task(self._warm())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine, if it was opened."""
        if self._warming is not None:
            self._warming.cancel()
            with suppress(asyncio.CancelledError):
                await self._warming
        if self._telemetry is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._telemetry.stop)
        await self._stack.aclose()

    @property
    def config(self) -> Config:
        """The operator's configuration."""
        return self._config

    async def engine(self, tenant: str | None = None) -> Engine:
        """Give the engine as a tenant sees it, opened now if it is not yet.

        Raises TrailUnavailable and its like.
        """
        async with self._lock:
            if self._engine is None:
                asker = self._asker or await _configured(self._config)
                opening = open_engine(self._config, cwd=self._cwd, asker=asker)
                self._engine = await self._stack.enter_async_context(opening)
                if self._telemetry is not None:
                    self._telemetry.attach(self._engine.core.trail)
                self._engine.repair_later()
            return self._engine.within(tenant)

    async def _warm(self) -> None:
        await anyio.sleep(WARM_AFTER_S)
        try:
            await self.engine()
        except PevError as exc:
            log.warning("the engine cannot be opened yet: %s", exc)


async def _configured(config: Config) -> Asker | None:
    """Give the operator's model; its module is imported where there is one."""
    if config.provider is None:
        return None
    from pev_server.provider import provider_of

    return await provider_of(config)
