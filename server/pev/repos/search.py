"""The program that searches a worktree; pev.repos.files starts it, and kills it when it takes too long.

A regular expression can take longer than the universe lasts, so it never runs in the server. The request is
JSON on standard input; the answer is one JSON object a line, so that what was found before a kill counts.
"""

import json
import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pev.repos.beneath import open_plain
from pev.repos.encoding import decode, is_binary
from pev.repos.globbing import Glob
from pev.repos.tour import tour

MAX_FILE_BYTES: Final = 2 * 2**20
MAX_LINE: Final = 500
_MEMORY_BYTES: Final = 2**30


def main() -> None:
    """Answer one request: `root`, `pattern`, `glob`, `limit`."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    request = json.loads(sys.stdin.read())
    try:
        pattern = re.compile(request["pattern"])
    except (re.error, OverflowError, RecursionError, MemoryError) as exc:
        _say({"error": str(exc) or type(exc).__name__})
        return
    _say({"done": _search(Path(request["root"]), pattern, Glob(request["glob"]), request["limit"])})


def _search(root: Path, pattern: re.Pattern[str], glob: Glob, limit: int) -> str:
    found = 0
    for folder, path in tour(root):
        if not glob.matches(path):
            continue
        for number, line in enumerate(_lines(folder, path), 1):
            hit = pattern.search(line)
            if hit is None:
                continue
            if found == limit:
                return "limit"
            found += 1
            _say({"path": path, "line": number, "text": _around(line, hit.start())})
    return "end"


def _lines(folder: int, path: str) -> list[str]:
    """Give the lines of a text file; none for a binary or a very large one."""
    try:
        fd = open_plain(folder, path.rpartition("/")[2])
    except OSError:
        return []
    if fd is None:
        return []
    with os.fdopen(fd, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES or is_binary(data):
        return []
    return [line.removesuffix("\r") for line in decode(data)[0].removesuffix("\n").split("\n")]


def _around(line: str, place: int) -> str:
    begin = max(0, place - MAX_LINE // 2) if len(line) > MAX_LINE else 0
    return line[begin : begin + MAX_LINE]


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
