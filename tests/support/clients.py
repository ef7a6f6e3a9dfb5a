"""Real MCP clients over real transports: a child process over stdio, a server over HTTP."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError

from pev.config import load_config
from pev_server.app import create_app

PEV: Final = str(Path(sys.executable).parent / "pev")
Era = Literal["auto", "legacy"]
ERAS: Final[tuple[Era, ...]] = ("auto", "legacy")
MOSTLY_MODERN: Final = ("auto", pytest.param("legacy", marks=pytest.mark.slow))
"""Both eras, for what takes long: the older one only with `make test-all`."""
TRANSPORTS: Final = (
    "memory",
    pytest.param("stdio", marks=pytest.mark.needs_host),
    pytest.param("http", marks=pytest.mark.needs_host),
)
Handler = Callable[..., Awaitable[Any]]


class Person:
    """A person at a host's dialog: answers each form by a rule, and remembers what was shown."""

    def __init__(self, *answers: Mapping[str, Any] | str) -> None:
        self.answers = list(answers)
        self.shown: list[str] = []

    async def __call__(self, message: str, _type: Any, _params: Any, _context: Any) -> Any:
        """Answer one form: a mapping is what is filled in, a word is the action without content."""
        self.shown.append(message)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            return ElicitResult(action=answer)
        return ElicitResult(action="accept", content=dict(answer))


APPROVE: Final = {"decision": "approve", "comment": ""}


@asynccontextmanager
async def serving_http(
    cwd: Path, *args: str, env: Mapping[str, str] | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Start `pev serve --http` in a child process and give its URL; it is gone afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [PEV, "serve", "--http", "--port", str(port), *args],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        with anyio.fail_after(60):
            while not await _listens(port):
                assert server.poll() is None, f"the server ended with {server.returncode}"
                await anyio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


async def _listens(port: int) -> bool:
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


@asynccontextmanager
async def connected(
    transport: str,
    cwd: Path,
    *args: str,
    era: Era = "auto",
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Client[Any]]:
    """Connect a client of an era to a server of ours over a transport; `memory` takes no arguments."""
    if transport == "memory":
        async with Client(create_app(load_config(), cwd=cwd), mode=era, timeout=120, **options) as client:
            yield client
        return
    if transport == "stdio":
        stdio = StdioTransport(
            PEV, ["serve", *args], env={**os.environ, **(env or {})}, cwd=str(cwd), keep_alive=False
        )
        async with Client(stdio, mode=era, timeout=120, **options) as client:
            yield client
        return
    async with (
        serving_http(cwd, *args, env=env) as url,
        Client(StreamableHttpTransport(url), mode=era, timeout=120, **options) as client,
    ):
        yield client


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and give its structured answer."""
    result = await client.call_tool(tool, arguments)
    content = result.structured_content
    assert content is not None
    return content


async def refusal(client: Client[Any], tool: str, **arguments: Any) -> str:
    """Call a tool that refuses, and give its words."""
    try:
        result = await client.call_tool(tool, arguments)
    except ToolError as exc:
        return str(exc)
    raise AssertionError(f"{tool} answered {result.structured_content}")
