"""The person at the command line: who they are, and whether they are there."""

import sys

from pev.errors import Forbidden
from pev.models import Caller, Host, Role, Scope
from pev_server.principal import local_principal


def operator() -> Caller:
    """Describe the user of this terminal as a caller that may do everything."""
    from pev import __version__

    return Caller(
        principal=local_principal(),
        role=Role.PERSON,
        scopes=frozenset(Scope),
        host=Host(name="pev", version=__version__),
    )


def require_terminal(what: str) -> None:
    """Raise Forbidden unless a person can see and type here."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Forbidden(
            f"{what} needs a terminal: standard input or output is not one",
            hint="Run it yourself in a terminal, not through a pipe or a script.",
        )
