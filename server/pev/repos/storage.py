"""Our own folders on the disk: a fault there is an error with a next action, not a crash."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pev.errors import StorageFailed


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Turn an OSError of the body, which writes below `folder`, into StorageFailed."""
    try:
        yield
    except OSError as exc:
        raise StorageFailed(
            f"{str(folder)!r} cannot be written: {exc.strerror or exc}",
            hint="Make room, correct its mode, or name another folder: PEV_STATE_DIR, PEV_WORKTREE_DIR.",
        ) from exc
