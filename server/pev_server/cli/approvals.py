"""`pev approvals`: which runs wait for a person, and the page to decide on them."""

from typing import Annotated

import typer

from pev.engine import open_engine
from pev.text import one_line
from pev_server.cli.exits import Exit
from pev_server.cli.main import asynchronous, configured
from pev_server.cli.output import print_note, print_table
from pev_server.cli.page import serve_page
from pev_server.cli.person import operator, require_terminal


@asynchronous
async def approvals(
    open_page: Annotated[
        bool, typer.Option("--open", help="Serve the page on loopback, until it is interrupted.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open a browser too.")] = True,
) -> int:
    """List the runs that wait for a person; with --open decide on them in a browser. Needs a terminal then.

    The link that it prints works once, in ten minutes, and stands nowhere else.
    """
    if open_page:
        require_terminal("opening the page")
    async with open_engine(configured()) as engine:
        if open_page:
            await serve_page(engine, browser=browser)
            return Exit.OK
        from pev.boundary.dossier import waiting
        from pev.trail.projections import REBUILD

        found = await waiting(engine.core, operator())
    rows = [
        (state.id, state.status.value, state.repo_name, state.updated_at[:19], state.task) for state in found
    ]
    print_table("waiting", ("run", "status", "repository", "since", "task"), rows)
    for run in found.unreadable:
        print_note(f"Run {one_line(run, 40)} CANNOT BE READ: its stored state was changed. {REBUILD}")
    return Exit.FAILED if found.unreadable else Exit.OK
