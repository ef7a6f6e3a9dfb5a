"""Hosts' own configuration files: where they are, how an MCP server stands in them, and how one is put in.

Each is merged, never overwritten: what else stands in a file stays, a copy of it as it was is kept beside it,
and it is replaced in one step.
"""

import json
import os
import shutil
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from pev.errors import ConfigInvalid

BACKUP: Final = ".before-pev"


class HostName(StrEnum):
    """Hosts that we can write the configuration of."""

    CLAUDE_CODE = "claude-code"
    CLAUDE_DESKTOP = "claude-desktop"
    CURSOR = "cursor"
    VSCODE = "vscode"
    CODEX = "codex"


STARTED_ANYWHERE: Final = frozenset({HostName.CLAUDE_DESKTOP, HostName.CURSOR, HostName.VSCODE})
"""Hosts that do not start a server in the repository: there repositories are named."""
_TABLE: Final = {HostName.VSCODE: "servers", HostName.CODEX: "mcp_servers"}


def _applications() -> Path:
    """Give the folder in which desktop programs keep their settings."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def config_path(host: HostName) -> Path:
    """Say where a host keeps its user's MCP configuration."""
    match host:
        case HostName.CLAUDE_CODE:
            folder = os.environ.get("CLAUDE_CONFIG_DIR")
            return Path(folder) / ".claude.json" if folder else Path.home() / ".claude.json"
        case HostName.CLAUDE_DESKTOP:
            return _applications() / "Claude" / "claude_desktop_config.json"
        case HostName.CURSOR:
            return Path.home() / ".cursor" / "mcp.json"
        case HostName.VSCODE:
            return _applications() / "Code" / "User" / "mcp.json"
        case HostName.CODEX:
            return Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / "config.toml"


def table_of(host: HostName) -> str:
    """Name the table of servers in a host's file."""
    return _TABLE.get(host, "mcpServers")


def entry_of(host: HostName, command: str, args: list[str]) -> dict[str, Any]:
    """Build an entry as a host writes it."""
    entry: dict[str, Any] = {"command": command, "args": args}
    if host in (HostName.CLAUDE_CODE, HostName.CURSOR, HostName.VSCODE):
        return {"type": "stdio", **entry}
    if host is HostName.CODEX:  # it calls a server that is not `required` before it is ready
        return {**entry, "startup_timeout_sec": 30, "tool_timeout_sec": 300, "required": True}
    return entry


def shown(host: HostName, name: str, entry: dict[str, Any]) -> str:
    """Write an entry as it stands in the host's file."""
    value = {table_of(host): {name: entry}}
    return tomlkit.dumps(value).strip() if host is HostName.CODEX else json.dumps(value, indent=2)


def read_config(host: HostName) -> MutableMapping[str, Any]:
    """Read a host's configuration; empty if there is none. Raises ConfigInvalid, and changes nothing."""
    path = config_path(host)
    value: Any = tomlkit.document() if host is HostName.CODEX else {}
    try:
        if path.exists():
            text = path.read_text(encoding="utf-8")
            value = tomlkit.parse(text) if host is HostName.CODEX else json.loads(text or "{}")
    except (OSError, ValueError, TOMLKitError) as exc:
        raise ConfigInvalid(
            f"{path} cannot be read: {exc}", hint="Correct it first; it was not changed."
        ) from exc
    table = value.get(table_of(host), {}) if isinstance(value, MutableMapping) else None
    if not isinstance(value, MutableMapping) or not isinstance(table, MutableMapping):
        raise ConfigInvalid(f"{path} is no MCP configuration", hint="Correct it first; it was not changed.")
    return value


def write_config(host: HostName, value: MutableMapping[str, Any]) -> None:
    """Write a host's configuration in one step, with the mode that it had; keep what it was beside it."""
    path = config_path(host)
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()
    if target.exists():
        shutil.copy2(target, target.with_name(target.name + BACKUP))
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    text = tomlkit.dumps(value) if host is HostName.CODEX else json.dumps(value, indent=2, ensure_ascii=False)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    fresh.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
    fresh.chmod(mode)
    fresh.replace(target)
