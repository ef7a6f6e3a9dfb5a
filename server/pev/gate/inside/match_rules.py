"""Matches rules on syntax trees against the sources of a folder, and writes what it found as JSON.

Started by path in the sandbox, with the path of a request as its only argument. It reads files and runs
nothing of them. The request is a JSON object: `root` (the folder), `paths` in it, `grammars` (by suffix, the
ones to try in turn), `rules` (id to an ast-grep rule), `tests` (rules of what is only for tests), and
`max_bytes` of one file.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ast_grep_py import SgNode, SgRoot

MAX_MATCHES = 500
ROUNDS = 4
MAX_CONTEXT = 500


def sources(root: Path, paths: list[str], suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Give the source files among some paths, folders opened; links are not followed."""
    for path in paths:
        whole = root / path
        if whole.is_file():
            yield from (one for one in (whole,) if _is_source(one, suffixes))
        for folder, folders, files in os.walk(whole):
            folders.sort()
            yield from (one for name in sorted(files) if _is_source(one := Path(folder, name), suffixes))


def _is_source(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes) and not path.is_symlink()


def read(text: str, grammars: list[str]) -> tuple[SgNode, str, bool]:
    """Give the tree of a source, its grammar, and whether all of it could be read."""
    for grammar in grammars:
        tree = SgRoot(text, grammar).root()
        if tree.kind() != "ERROR" and tree.find(kind="ERROR") is None:
            return tree, grammar, True
    return SgRoot(text, grammars[0]).root(), grammars[0], False


def unfolded(tree: SgNode, grammar: str) -> Iterator[SgNode]:
    """Give a tree, and for Rust again with its macros read as calls, which shows what stands in them."""
    yield tree
    for _ in range(ROUNDS if grammar == "rust" else 0):
        calls = tree.find_all(kind="macro_invocation")
        text = list(tree.text())
        before = "".join(text)
        start = tree.range().start.index
        for call in calls:
            mark = next((child for child in call.children() if child.kind() == "!"), None)
            if mark is not None:
                text[mark.range().start.index - start] = " "
        after = "".join(text)
        if after == before:
            return
        tree = SgRoot(after, grammar).root()
        yield tree


def spans(tree: SgNode, rules: list[Any]) -> list[tuple[int, int]]:
    """Give the first and last lines of what some rules match, from 0."""
    found = (node.range() for rule in rules for node in tree.find_all(rule))
    return [(one.start.line, one.end.line) for one in found]


def matches(text: str, tree: SgNode, grammar: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what the rules match in one source, each place once."""
    lines = text.splitlines() or [""]
    seen: dict[tuple[str, int], dict[str, Any]] = {}
    inside = spans(tree, asked["tests"])
    for shown in unfolded(tree, grammar):
        for name, rule in asked["rules"].items():
            for node in shown.find_all(rule)[:MAX_MATCHES]:
                place = node.range().start
                context = lines[place.line].strip() if place.line < len(lines) else ""
                found = {"rule": name, "line": place.line + 1, "context": context[:MAX_CONTEXT]}
                found["tests"] = any(low <= place.line <= high for low, high in inside)
                seen.setdefault((name, place.index), found)
    return sorted(seen.values(), key=lambda one: (one["line"], one["rule"]))


def look(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Look into one file."""
    size = path.stat().st_size
    if size > asked["max_bytes"]:
        return {"path": str(path), "unread": f"it has {size} bytes, which is too large", "matches": []}
    text = path.read_text("utf-8", errors="replace")
    suffix = next(one for one in asked["grammars"] if path.name.lower().endswith(one))
    tree, grammar, whole = read(text, asked["grammars"][suffix])
    found = matches(text, tree, grammar, asked)
    return {"path": str(path), "unread": "" if whole else f"it is no {grammar}", "matches": found}


def main() -> int:
    """Answer the request that is named on the command line."""
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    paths = dict.fromkeys(sources(Path(asked["root"]), asked["paths"], tuple(asked["grammars"])))
    files = [look(path, asked) for path in paths]
    telling = [one for one in files if one["matches"] or one["unread"]]
    json.dump({"seen": len(files), "files": telling}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
