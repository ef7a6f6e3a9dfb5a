"""Cold start over stdio: from spawn to an answered tools/list, as a ratio to servers that do nothing.

The reference has as many tools of the same signatures, generated from our own schemas; the smallest
FastMCP server is shown too. The three are started in turn, so that the machine's mood hits all alike.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from scripts.generate_docs import read_surface

ROUNDS: Final = 9
_HEAD: Final = """\
from typing import Annotated, Any
from fastmcp import FastMCP
from pydantic import Field
mcp = FastMCP("reference")
"""
_TAIL: Final = "mcp.run(transport='stdio', show_banner=False)\n"
_PYTHON_TYPE: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list[Any]",
    "object": "dict[str, Any]",
}
REQUESTS: Final = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "benchmark", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
)


def reference_source(tools: list[dict[str, Any]]) -> str:
    """Write a FastMCP server with tools of the same names, parameters and descriptions that do nothing."""
    parts = [_HEAD]
    for tool in tools:
        schema = tool["inputSchema"]
        required = schema.get("required", [])
        names = sorted(schema.get("properties", {}), key=lambda name: name not in required)
        arguments = []
        for name in names:
            one = schema["properties"][name]
            kind = _PYTHON_TYPE.get(one.get("type", ""), "Any")
            said = f"Annotated[{kind}, Field(description={one.get('description', '')!r})]"
            arguments.append(f"{name}: {said}" + ("" if name in required else " | None = None"))
        parts.append(
            f"@mcp.tool(output_schema={tool['outputSchema']!r}, annotations={tool['annotations']!r})\n"
            f"async def {tool['name']}({', '.join(arguments)}) -> dict[str, Any]:\n"
            f"    {json.dumps(tool['description'])}\n    return {{}}\n"
        )
    return "".join([*parts, _TAIL])


def start_and_list(argv: list[str], cwd: Path, env: dict[str, str]) -> float:
    """Start a server, list its tools, end it; give the seconds from spawn to the answer."""
    begun = time.perf_counter()
    server = subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert server.stdin is not None
    assert server.stdout is not None
    for request in REQUESTS:
        server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    for line in server.stdout:
        if json.loads(line).get("id") == 2:
            break
    else:
        raise SystemExit(f"{argv[0]} ended without an answer")
    seconds = time.perf_counter() - begun
    server.stdin.close()
    server.wait(30)
    return seconds


def main() -> None:
    """Print the medians and the ratios."""
    tools = asyncio.run(read_surface())["tools"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "reference.py").write_text(reference_source(tools), encoding="utf-8")
        (folder / "smallest.py").write_text(_HEAD + _TAIL, encoding="utf-8")
        subprocess.run(["git", "init", "-q", str(folder / "repo")], check=True)
        env = {**os.environ, "PEV_STATE_DIR": str(folder / "state"), "PEV_CACHE_DIR": str(folder / "cache")}
        env |= {"FASTMCP_SHOW_SERVER_BANNER": "false", "FASTMCP_CHECK_FOR_UPDATES": "off"}
        servers = {
            "pev": [str(Path(sys.executable).parent / "pev"), "serve"],
            "same signatures": [sys.executable, str(folder / "reference.py")],
            "smallest": [sys.executable, str(folder / "smallest.py")],
        }
        taken: dict[str, list[float]] = {one: [] for one in servers}
        for turn in range(ROUNDS + 1):
            for one, argv in servers.items():
                seconds = start_and_list(argv, folder / "repo", env)
                if turn:  # the first round warms the file cache
                    taken[one].append(seconds)
    medians = {one: statistics.median(times) for one, times in taken.items()}
    for one, seconds in medians.items():
        print(f"{one:16} {seconds * 1000:7.0f} ms   {medians['pev'] / seconds:5.2f} x")


if __name__ == "__main__":
    main()
