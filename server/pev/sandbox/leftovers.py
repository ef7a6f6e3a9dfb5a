"""Clears up after servers that were killed in the one instant in which bubblewrap cannot end itself.

Between the start of its first process inside and the mapping of users, that process waits for its parent, and
is not yet bound to its life. It carries the mark of its server in its arguments, and so is found.
"""

import contextlib
import functools
import os
import re
import signal
from pathlib import Path
from typing import Final

_MARK: Final = re.compile(rb"\0pev-of-(\d+)-(\d+)\0")


@functools.cache
def _namespace() -> int:
    """In another namespace of processes, a process id is somebody else's."""
    return Path("/proc/self/ns/pid").stat().st_ino


def mark() -> str:
    """Give the word by which a process is known to be this server's."""
    return f"pev-of-{_namespace()}-{os.getpid()}"


def sweep() -> int:
    """Kill what carries the mark of a server that is gone; give how many processes that were."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found = _MARK.search((folder / "cmdline").read_bytes())
            ours = found is not None and int(found[1]) == _namespace()
            if found is not None and ours and not Path("/proc", found[2].decode()).exists():
                os.kill(int(folder.name), signal.SIGKILL)
                count += 1
    return count
