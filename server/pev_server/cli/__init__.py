"""The command line: `pev`. Each command imports what it needs when it runs, so that `pev serve` is quick."""

import gc


def main() -> None:
    """Run `pev`."""
    # Importing makes a great many objects that all stay: collecting among them costs a tenth of the start.
    # Whoever goes on running turns the collector on again (see serving).
    gc.disable()
    from pev_server.cli.main import run

    run()
