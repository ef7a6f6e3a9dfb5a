"""`pev install` and `pev uninstall`: our entry in a host's MCP configuration, and nothing else of it."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from pev.errors import ConfigInvalid, InvalidInput, PevError
from pev_server.cli.exits import Exit, of_error
from pev_server.cli.main import parse_repos, report_error

NAME: Final = "pev"
_EPHEMERAL: Final = ("archive-v0", "uvx", ".tmp")


class HostName(StrEnum):
    """Hosts that we can write the configuration of."""

    CLAUDE_CODE = "claude-code"
    CLAUDE_DESKTOP = "claude-desktop"


def config_path(host: HostName) -> Path:
    """Where a host keeps its user's MCP configuration."""
    if host is HostName.CLAUDE_CODE:
        folder = os.environ.get("CLAUDE_CONFIG_DIR")
        return Path(folder) / ".claude.json" if folder else Path.home() / ".claude.json"
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "Claude" / "claude_desktop_config.json"


def own_command() -> str:
    """Give the absolute path of this `pev`. Raises ConfigInvalid where it will be gone tomorrow."""
    found = Path(sys.executable).parent / NAME
    if not found.exists():
        raise ConfigInvalid(f"{found} does not exist", hint="Name the program with --command.")
    if any(part in _EPHEMERAL for part in found.parts):
        raise ConfigInvalid(
            f"{found} is a temporary environment",
            hint="Install with `pipx install` or `uv tool install`, or name the program with --command.",
        )
    return str(found)


def entry_for(host: HostName, command: str, repos: dict[str, Path]) -> dict[str, Any]:
    """Build our entry. Claude Desktop starts servers anywhere, so there the repositories are named."""
    if host is HostName.CLAUDE_DESKTOP and not repos:
        repos = {Path.cwd().name: Path.cwd()}
    args = ["serve", *(part for name, path in repos.items() for part in ("--repo", f"{name}={path}"))]
    entry: dict[str, Any] = {"command": command, "args": args}
    return {"type": "stdio", **entry} if host is HostName.CLAUDE_CODE else entry


def read_config(path: Path) -> dict[str, Any]:
    """Read a host's configuration; empty if there is none. Raises ConfigInvalid, and changes nothing."""
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as exc:
        raise ConfigInvalid(
            f"{path} cannot be read: {exc}", hint="Correct it first; it was not changed."
        ) from exc
    if not isinstance(value, dict) or not isinstance(value.get("mcpServers", {}), dict):
        raise ConfigInvalid(f"{path} is no MCP configuration", hint="Correct it first; it was not changed.")
    return value


def write_config(path: Path, value: dict[str, Any]) -> None:
    """Write a host's configuration atomically, with the mode that it had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    fresh.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.chmod(mode)
    fresh.replace(target)


def _install(host: HostName, command: str | None, repo: list[str], *, only_print: bool, yes: bool) -> None:
    entry = entry_for(host, command or own_command(), parse_repos(repo))
    shown = json.dumps({"mcpServers": {NAME: entry}}, indent=2)
    if only_print:
        sys.stdout.write(shown + "\n")
        return
    path = config_path(host)
    value = read_config(path)
    servers = value.setdefault("mcpServers", {})
    if servers.get(NAME) == entry:
        sys.stdout.write(f"{path} has this entry already\n")
        return
    was = f"replacing\n{json.dumps(servers[NAME], indent=2)}\n" if NAME in servers else ""
    sys.stdout.write(f"{path} gets, beside what is there, {was}\n{shown}\n")
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidInput("nobody is there to confirm", hint="Add --yes, or --print to only see it.")
        if not typer.confirm("Write it?"):
            sys.stdout.write("nothing was changed\n")
            return
    servers[NAME] = entry
    write_config(path, value)
    sys.stdout.write(f"written. Undo: pev uninstall {host}\n")


HostArgument = Annotated[HostName, typer.Argument(help="The host.")]


def install(
    host: HostArgument,
    repo: Annotated[
        list[str] | None,
        typer.Option("--repo", metavar="NAME=PATH", help="A repository to allow; repeatable."),
    ] = None,
    command: Annotated[str | None, typer.Option(help="The program to start, instead of this one.")] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Only print the entry.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,
) -> None:
    """Write PEV into a host's MCP configuration; shows it first and keeps what is there."""
    try:
        _install(host, command, repo or [], only_print=only_print, yes=yes)
    except PevError as exc:
        report_error(exc)
        raise typer.Exit(of_error(exc)) from exc


def uninstall(host: HostArgument) -> None:
    """Take PEV's entry out of a host's MCP configuration again; everything else stays."""
    path = config_path(host)
    try:
        value = read_config(path)
    except PevError as exc:
        report_error(exc)
        raise typer.Exit(of_error(exc)) from exc
    if value.get("mcpServers", {}).pop(NAME, None) is None:
        sys.stdout.write(f"{path} has no entry of PEV\n")
        raise typer.Exit(Exit.OK)
    write_config(path, value)
    sys.stdout.write(f"taken out of {path}\n")
