"""Attempts that get out of a sandbox, and why that is not stopped (yet).

An entry that no longer holds fails its test.
"""

from collections.abc import Mapping
from typing import Final

_METADATA: Final = "Landlock does not restrict modes, times and sizes of files outside"
_MEMORY: Final = "an ordinary user without a control group of its own has no limit of memory"

_AS_USER: Final[Mapping[str, str]] = {
    "resources.memory_of_one": _MEMORY,
    "resources.memory_of_many": _MEMORY,
}
_LANDLOCK: Final[Mapping[str, str]] = {
    "files.chmod_by_descriptor": _METADATA,
    "files.chmod_file": _METADATA,
    "files.chmod_readable_file": _METADATA,
    "files.touch_file": _METADATA,
    "secrets.size_of_a_secret": _METADATA,
}


def reason_it_works(name: str, mechanism: str, user: str) -> str | None:
    """Give why an attempt is known to work in a sandbox, or None if it must not."""
    tables = {
        ("landlock", "user"): (_AS_USER, _LANDLOCK),
        ("landlock", "root"): (_LANDLOCK,),
        ("bubblewrap", "user"): (_AS_USER,),
        ("bubblewrap", "root"): (),
    }
    return next((table[name] for table in tables[mechanism, user] if name in table), None)


def names() -> set[str]:
    """Give all attempts that are known to work somewhere."""
    return {name for table in (_AS_USER, _LANDLOCK) for name in table}
