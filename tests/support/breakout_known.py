"""Attempts that get out of a sandbox, and why that is not stopped (yet).

An entry that no longer holds fails its test.
"""

from collections.abc import Mapping
from typing import Final

_METADATA: Final = "Landlock does not restrict modes, times and sizes of files outside"
_LANDLOCK: Final[Mapping[str, str]] = {
    "files.chmod_by_descriptor": _METADATA,
    "files.chmod_file": _METADATA,
    "files.chmod_readable_file": _METADATA,
    "files.touch_file": _METADATA,
    "secrets.size_of_a_secret": _METADATA,
}


def reason_it_works(name: str, mechanism: str) -> str | None:
    """Give why an attempt is known to work in a sandbox, or None if it must not."""
    return _LANDLOCK.get(name) if mechanism == "landlock" else None


def names() -> set[str]:
    """Give all attempts that are known to work somewhere."""
    return set(_LANDLOCK)
