"""Says which rules of ruff a project chose, where nobody says which version of ruff chose them.

A newer ruff has more rules by default than the one that the project knew, and looks at more kinds of files.
What only a newer default asks for is no demand of the project. Who selects rules by name, or a family of
them, has chosen them in every version.
"""

import re
import tomllib
from pathlib import PurePosixPath
from typing import Any, Final

from pev.gate.interface import CheckJob

LONG_STANDING: Final = ("E4", "E7", "E9", "F")
"""The default of ruff from its first release to 0.15; source: its documentation, `lint.select`."""
_CODE: Final = re.compile(r"([A-Z]+)([0-9]*)")
_MANY: Final = "PL"
"""The one family whose rules begin with more letters than it."""
_FILES: Final = frozenset({"ruff.toml", ".ruff.toml", "pyproject.toml"})
_SELECTING: Final = ("select", "extend-select")
_EVERYTHING: Final = ("",)


async def chosen_rules(job: CheckJob) -> tuple[str, ...]:
    """Give the beginnings of the rules that the trusted ref's configurations choose; ("",) for all.

    Several configurations count together, and one that cannot be read, or takes its rules from another file,
    chooses all.
    """
    depot = job.request.depot
    trusted = await depot.tree_of(job.request.trusted_commit)
    chosen: set[str] = set()
    for entry in await depot.entries(trusted):
        place = PurePosixPath(entry.path)
        if place.name in _FILES and (raw := await depot.read_blob(trusted, entry.path)) is not None:
            chosen |= _chosen(raw, inside=place.name == "pyproject.toml")
    return tuple(sorted(chosen or set(LONG_STANDING)))


def chooses(selectors: tuple[str, ...], rule: str) -> bool:
    """Say whether one of `selectors` chooses a rule: F chooses F401, and not FA100."""
    code = _CODE.fullmatch(rule)
    for one in selectors:
        own = _CODE.fullmatch(one)
        if one == "" or one == rule or (one == _MANY and rule.startswith(_MANY)):
            return True
        if own is not None and code is not None and own[1] == code[1] and code[2].startswith(own[2]):
            return True
    return False


def _chosen(raw: bytes, *, inside: bool) -> set[str]:
    """Give what one file chooses; nothing if it does not configure ruff."""
    try:
        table: Any = tomllib.loads(raw.decode("utf-8"))
        table = table.get("tool", {}).get("ruff") if inside else table
        if table is None:
            return set()
        places = (table, table.get("lint", {}))
        named = {rule for one in places for key in _SELECTING for rule in one.get(key, ())}
        own = any("select" in one for one in places)
        follows = "extend" in table
    except (ValueError, AttributeError, TypeError):
        return set(_EVERYTHING)
    if follows or "ALL" in named or not all(_CODE.fullmatch(str(rule)) for rule in named):
        return set(_EVERYTHING)
    return named if own else named | set(LONG_STANDING)
