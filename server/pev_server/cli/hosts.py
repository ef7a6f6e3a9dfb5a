"""`pev install` and `pev uninstall`: our entry in a host's MCP configuration, and nothing else of it."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from pev.errors import ConfigInvalid, InvalidInput, PevError
from pev_server.cli import subagents
from pev_server.cli.exits import Exit, of_error
from pev_server.cli.host_files import (
    STARTED_ANYWHERE,
    HostName,
    config_path,
    entry_of,
    read_config,
    shown,
    table_of,
    write_config,
)
from pev_server.cli.main import parse_repos, report_error

NAME: Final = "pev"
_EPHEMERAL: Final = ("archive-v0", "uvx", ".tmp")


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


def arguments_for(host: HostName, repos: dict[str, Path]) -> list[str]:
    """Give the server's arguments. Some hosts start it anywhere, so there the repositories are named."""
    if host in STARTED_ANYWHERE and not repos:
        repos = {Path.cwd().name: Path.cwd()}
    return ["serve", *(part for name, path in repos.items() for part in ("--repo", f"{name}={path}"))]


def _agreed(*, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InvalidInput("nobody is there to confirm", hint="Add --yes, or --print to only see it.")
    return typer.confirm("Write it?")


def _install(host: HostName, command: str | None, repo: list[str], *, only_print: bool, yes: bool) -> None:
    program, args = command or own_command(), arguments_for(host, parse_repos(repo))
    entry = entry_of(host, program, args)
    if only_print:
        sys.stdout.write(shown(host, NAME, entry) + "\n")
        return
    path, value = config_path(host), read_config(host)
    servers: Any = value.setdefault(table_of(host), {})
    if servers.get(NAME) == entry:
        sys.stdout.write(f"{path} has this entry already\n")
    else:
        was = f"replacing\n{shown(host, NAME, dict(servers[NAME]))}\n" if NAME in servers else ""
        sys.stdout.write(f"{path} gets, beside what is there, {was}\n{shown(host, NAME, entry)}\n")
        if not _agreed(yes=yes):
            sys.stdout.write("nothing was changed\n")
            return
        servers[NAME] = entry
        write_config(host, value)
        sys.stdout.write(f"written. Undo: pev uninstall {host}\n")
    if host is HostName.CLAUDE_CODE:
        for line in subagents.write_all(program, args):
            sys.stdout.write(f"subagent {line}\n")


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
        value = read_config(host)
    except PevError as exc:
        report_error(exc)
        raise typer.Exit(of_error(exc)) from exc
    if host is HostName.CLAUDE_CODE:
        for line in subagents.remove_all():
            sys.stdout.write(f"subagent {line}\n")
    servers: Any = value.get(table_of(host), {})
    if servers.pop(NAME, None) is None:
        sys.stdout.write(f"{path} has no entry of PEV\n")
        raise typer.Exit(Exit.OK)
    write_config(host, value)
    sys.stdout.write(f"taken out of {path}\n")
