"""The `pev` command: its options, its errors, its exit codes."""

import functools
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, ParamSpec

import typer

from pev import __version__
from pev.config import Config, load_config
from pev.errors import InvalidInput, PevError
from pev.models import Role
from pev.roles.sight import HOLDABLE
from pev_server.cli.exits import Exit, of_error

P = ParamSpec("P")
app: Final = typer.Typer(
    name="pev",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Plan, execute, verify: a disciplined way for AI agents to change a git repository.",
)
PathArgument = Annotated[Path, typer.Argument(help="A repository, or a folder in one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, 8 hex digits.")]


def report_error(error: PevError) -> None:
    """Print an error on standard error: code, fact, next action."""
    sys.stderr.write(f"pev: [{error.code}] {error.message}\n")
    if error.hint:
        sys.stderr.write(f"     {error.hint}\n")


def asynchronous(command: Callable[P, Awaitable[int]]) -> Callable[P, None]:
    """Make a command of an async function: run it, and end with its exit code or its error's."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        import anyio

        async def call() -> int:
            return await command(*args, **kwargs)

        try:
            code = anyio.run(call)
        except PevError as exc:
            report_error(exc)
            raise typer.Exit(of_error(exc)) from exc
        except KeyboardInterrupt as exc:
            raise typer.Exit(Exit.INTERRUPTED) from exc
        raise typer.Exit(code)

    return wrapped


def configured(**given: Any) -> Config:
    """Read the operator's configuration; values that are None are left to it."""
    return load_config(**{name: value for name, value in given.items() if value is not None})


def configured_for(path: Path) -> tuple[Config, str]:
    """Read the configuration and allow the repository at `path` too: on the command line a person names it.

    Gives the configuration and the name that the repository has in it.
    """
    config = configured()
    name = path.absolute().name or "root"
    while name in config.repos:
        name += "_"
    return config.model_copy(update={"repos": {**config.repos, name: path.absolute()}}), name


def parse_repos(given: list[str]) -> dict[str, Path]:
    """Parse NAME=PATH options. Raises InvalidInput."""
    repos: dict[str, Path] = {}
    for item in given:
        name, found, path = item.partition("=")
        if not found or not name or not path:
            raise InvalidInput(f"--repo {item!r} is not NAME=PATH", hint="For example --repo app=/src/app.")
        repos[name] = Path(path).expanduser().absolute()
    return repos


def parse_role(name: str) -> Role:
    """Parse the name of a role that a session can hold. Raises InvalidInput."""
    if name not in {role.value for role in HOLDABLE}:
        known = ", ".join(HOLDABLE)
        raise InvalidInput(f"{name!r} is no role that a session can hold", hint=f"Name one of: {known}.")
    return Role(name)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"pev {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Plan, execute, verify."""
    del version


@app.command()
def serve(
    repo: Annotated[
        list[str] | None,
        typer.Option("--repo", metavar="NAME=PATH", help="A repository to allow; repeatable."),
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Serve Streamable HTTP instead of stdio.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8765,
    stateless: Annotated[
        bool, typer.Option("--stateless", help="Keep no session; nothing can be asked.")
    ] = False,
    role: Annotated[
        str | None,
        typer.Option(help="Offer only this role: planner, author, tester, reviewer or security."),
    ] = None,
) -> None:
    """Start the MCP server, on stdio unless told otherwise."""
    from pev_server.cli.serving import serve_app

    try:
        config = configured()
        repos = {**config.repos, **parse_repos(repo or [])}
        serve_app(
            config.model_copy(update={"repos": repos}),
            http=http,
            host=host,
            port=port,
            stateless=stateless,
            role=parse_role(role) if role is not None else None,
        )
    except PevError as exc:
        report_error(exc)
        raise typer.Exit(of_error(exc)) from exc
    except KeyboardInterrupt as exc:
        raise typer.Exit(Exit.INTERRUPTED) from exc


def run() -> None:
    """Run the command that was given."""
    if sys.argv[1:2] != ["serve"]:  # the server needs none of the other commands, and starts sooner
        gc.enable()
        from pev_server.cli import commands

        commands.register(app)
    app(prog_name="pev")
