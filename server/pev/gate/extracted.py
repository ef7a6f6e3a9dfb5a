"""Python that scanners pass by: scripts without a suffix, cells of notebooks, folders that they leave out.

Scanners go by the suffix, and by names of folders. What is found is written as a plain module, in which line
numbers are kept where the file has lines of its own.
"""

import json
import re
from pathlib import PurePosixPath
from typing import Any, Final

_SHEBANG: Final = re.compile(rb"\A#![^\n]{0,200}\bpython")
_MAGIC: Final = re.compile(r"^\s*[%!?]")
_SCANNED: Final = {".py", ".pyi"}
# bandit leaves out every path that holds one of these, wherever it stands (bandit.core.constants.EXCLUDE)
_LEFT_OUT: Final = (".svn", "CVS", ".bzr", ".hg", ".git", "__pycache__", ".tox", ".eggs")


def python_in(path: str, raw: bytes) -> str | None:
    """Give the Python of a file that no scanner takes for Python, or None if there is none."""
    suffix = PurePosixPath(path).suffix
    if suffix in _SCANNED:
        return raw.decode("utf-8", "replace") if is_left_out(path) else None
    if suffix == ".ipynb":
        return _cells(raw)
    if suffix == ".pyw" or _SHEBANG.match(raw):
        return raw.decode("utf-8", "replace")
    return None


def is_left_out(path: str) -> bool:
    """Say whether bandit passes a file by for its path alone, although Python can import it."""
    return any(part in path for part in _LEFT_OUT)


def _cells(raw: bytes) -> str | None:
    """Give the code of a notebook, without what is for its shell; nbformat 3 and 4."""
    try:
        book = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(book, dict):
        return None
    sheets = [book, *(sheet for sheet in _list(book.get("worksheets")) if isinstance(sheet, dict))]
    cells = [cell for sheet in sheets for cell in _list(sheet.get("cells")) if isinstance(cell, dict)]
    code = [_text(cell.get("source", cell.get("input"))) for cell in cells if cell.get("cell_type") == "code"]
    lines = [line for text in code for line in text.splitlines()]
    return "\n".join("pass" if _MAGIC.match(line) else line for line in lines) + "\n" if lines else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")
