"""The command line: `pev`. Each command imports what it needs when it runs, so that `pev serve` is quick."""

from pev_server.cli.main import main

__all__ = ["main"]
