"""The `pev` commands in this process: as fast as a call, where no terminal and no signal is needed."""

import typer
from typer.testing import CliRunner

from pev_server.cli import commands
from support.cli import Ended


def run_pev(*args: str) -> Ended:
    """Run a command of `pev` here, with the configuration of the test."""
    app = typer.Typer(pretty_exceptions_enable=False)
    commands.register(app)
    result = CliRunner().invoke(app, list(args), prog_name="pev")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)
