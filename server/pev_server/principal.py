"""The local user, as a principal: whom the kernel says this process runs for, not what a variable says."""

import os
import pwd


def local_principal() -> str:
    """Name the user of this process; by number, if this machine has no name for it."""
    uid = os.getuid()
    try:
        return f"local:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"local:{uid}"
