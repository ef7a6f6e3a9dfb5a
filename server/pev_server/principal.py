"""The local user, as a principal."""

import getpass


def local_principal() -> str:
    """Name the user of this process."""
    try:
        return f"local:{getpass.getuser()}"
    except (KeyError, OSError):  # no name for this user id
        return "local:unknown"
