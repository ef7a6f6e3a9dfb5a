"""Glob patterns over paths, matched part by part, so that no pattern takes long."""

import fnmatch
import re
from functools import cache


class Glob:
    """A pattern: `*`, `?` and `[...]` within a name, `**` for any number of folders.

    A pattern without a slash looks at the last name only, wherever it is. `**` alone matches everything.
    """

    def __init__(self, pattern: str) -> None:
        parts = [part for part in pattern.strip("/").split("/") if part not in ("", ".")] or ["**"]
        if "/" not in pattern.strip("/") and parts != ["**"]:
            parts = ["**", *parts]
        self._parts = [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]

    def matches(self, path: str) -> bool:
        """Say whether a relative path matches."""
        names = path.split("/")

        @cache
        def rest(part: int, name: int) -> bool:
            if part == len(self._parts):
                return name == len(names)
            pattern = self._parts[part]
            if pattern is None:
                # the last ** needs a name to stand for, else a/** would match the file a
                if part == len(self._parts) - 1:
                    return name < len(names)
                return rest(part + 1, name) or (name < len(names) and rest(part, name + 1))
            return name < len(names) and bool(pattern.match(names[name])) and rest(part + 1, name + 1)

        return rest(0, 0)
