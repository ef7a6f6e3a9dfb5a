"""What defects and attacks are written with: edits that fail when they do not fit the file any more."""

import json
import os
import subprocess
import sys
from pathlib import Path

OUT = Path(os.environ.get("EVASION_OUT", "."))
"""A folder outside the worktree in which an attack may leave a mark."""


def edit(path: str, old: str, new: str) -> None:
    """Replace every `old` in a file."""
    file = Path(path)
    text = file.read_text(encoding="utf-8")
    if old not in text:
        raise SystemExit(f"{path} does not hold {old!r}")
    file.write_text(text.replace(old, new), encoding="utf-8")


def write(path: str, text: str) -> Path:
    """Write a file, and make the folders above it."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def append(path: str, text: str) -> None:
    """Put text at the end of a file."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)


def cut(path: str, first: str, after: str | None = None) -> None:
    """Remove what lies from `first` up to `after` (default: up to the end of the file)."""
    text = Path(path).read_text(encoding="utf-8")
    start = text.index(first)
    end = len(text) if after is None else text.index(after, start)
    Path(path).write_text((text[:start] + text[end:]).rstrip("\n") + "\n", encoding="utf-8")


def program(path: str, text: str) -> None:
    """Write a file that can be executed."""
    write(path, text).chmod(0o755)


def tidy(*paths: str) -> None:
    """Write files the way the formatter wants them, so that an attack shows nothing but itself."""
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "-q", "--select", "I", "--fix", *paths], check=True, capture_output=True)
    subprocess.run([*ruff, "format", "-q", *paths], check=True, capture_output=True)


def git(*args: str) -> str:
    """Run git in the worktree."""
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout


def commit(message: str = "work") -> None:
    """Commit all that the worktree holds."""
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", message)


def texts_of_answer() -> list[str]:
    """Give the gate's whole answer as it was written, and every text in it, paths aside."""
    raw = (OUT / "gate.json").read_text(encoding="utf-8")
    texts = [raw]
    try:
        todo = [json.loads(raw)]
    except ValueError:
        todo = []
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += [value for key, value in item.items() if key not in ("changed_files", "path")]
        elif isinstance(item, list):
            todo += item
        elif isinstance(item, str):
            texts.append(item)
    return texts
