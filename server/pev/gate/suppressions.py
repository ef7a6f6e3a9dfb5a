"""Finds what tells a tool to look away: comments, read as tokens, and decorators, read as syntax.

A text in a string is not a suppression. One that was moved, or that stands on a line that was otherwise
edited, is not new.
"""

import ast
import difflib
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from pev.gate.syntax import parse
from pev.models import Model

_PATTERNS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("noqa", re.compile(r"#\s*(?:(?:ruff|flake8)\s*:\s*)?noqa\b[^#]*", re.IGNORECASE)),
    ("ruff", re.compile(r"#\s*ruff\s*:\s*(?:disable|ignore|file-ignore)\b[^#]*", re.IGNORECASE)),
    ("pylint", re.compile(r"#\s*pylint\s*:\s*(?:disable|skip-file)\b[^#]*", re.IGNORECASE)),
    ("type-ignore", re.compile(r"#\s*(?:type|pyright|ty)\s*:\s*ignore\b[^#]*", re.IGNORECASE)),
    ("type-pragma", re.compile(r"#\s*(?:mypy\s*:|pyright\s*:(?!\s*ignore\b))\s*\S[^#]*", re.IGNORECASE)),
    ("nosec", re.compile(r"#\s*nosec\b[^#]*", re.IGNORECASE)),
    ("no-cover", re.compile(r"#\s*pragma\s*:\s*no\s*(?:cover|branch)\b[^#]*", re.IGNORECASE)),
    ("fmt", re.compile(r"#\s*(?:fmt|yapf)\s*:\s*(?:off|skip|disable)\b[^#]*", re.IGNORECASE)),
    ("isort", re.compile(r"#\s*isort\s*:\s*(?:skip|skip_file|off)\b[^#]*", re.IGNORECASE)),
)
_DECORATORS: Final = {"no_type_check", "no_type_check_decorator"}


class Suppression(Model):
    """One suppression. `text` is what it says, white space folded; `code` the line that it stands on."""

    kind: str
    text: str
    line: int
    code: str


def find(source: str) -> tuple[Suppression, ...]:
    """List the suppressions of a Python file, in order. A file that is not Python is read line by line."""
    lines = source.splitlines()
    found = [
        Suppression(kind=kind, text=" ".join(hit.split()).lower(), line=line, code=_at(lines, line))
        for line, comment in _comments(source)
        for kind, hit in _hits(comment)
    ]
    return tuple(sorted([*found, *_decorated(source, lines)], key=lambda one: one.line))


def _comments(source: str) -> list[tuple[int, str]]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError, ValueError):
        return [
            (number, line[line.index("#") :])
            for number, line in enumerate(source.splitlines(), 1)
            if "#" in line
        ]
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def _hits(comment: str) -> Iterable[tuple[str, str]]:
    for kind, pattern in _PATTERNS:
        yield from ((kind, hit.group()) for hit in pattern.finditer(comment))


def without(source: str, some: Iterable[Suppression]) -> str:
    """Give a source without some of its comments that suppress; all else stays where it is."""
    lines = source.splitlines(keepends=True)
    for one in some:
        pattern = dict(_PATTERNS).get(one.kind)
        if pattern is not None and one.line <= len(lines):
            lines[one.line - 1] = _cut(lines[one.line - 1], pattern, one.text)
    return "".join(lines)


def _cut(line: str, pattern: re.Pattern[str], text: str) -> str:
    for hit in reversed(list(pattern.finditer(line))):
        if " ".join(hit.group().split()).lower() == text:
            end = "\n" if line.endswith("\n") else ""
            return line[: hit.start()].rstrip() + (f"  {line[hit.end() :].strip()}").rstrip() + end
    return line


def _decorated(source: str, lines: list[str]) -> list[Suppression]:
    tree = parse(source)
    if tree is None:
        return []
    return [
        Suppression(kind="no-type-check", text=text, line=line, code=_at(lines, line))
        for node in ast.walk(tree)
        for text, line in _unchecked(node)
    ]


def _unchecked(node: ast.AST) -> Iterable[tuple[str, int]]:
    """Give where one of the decorators is used, or gets another name by which it can be used."""
    if isinstance(node, ast.Name) and node.id in _DECORATORS:
        yield node.id, node.lineno
    elif isinstance(node, ast.Attribute) and node.attr in _DECORATORS:
        yield ast.unparse(node), node.lineno
    elif isinstance(node, ast.alias) and node.asname and node.name in _DECORATORS:
        yield f"{node.name} as {node.asname}", node.lineno


def _at(lines: list[str], number: int) -> str:
    return " ".join(lines[number - 1].split()) if number <= len(lines) else ""


def new_ones(
    pairs: Mapping[str, tuple[str | None, str]],
    read: Callable[[str], tuple[Suppression, ...]] = find,
) -> dict[str, list[Suppression]]:
    """List the suppressions that a change adds, by path; `read` lists those of a text.

    `pairs` maps the path of each changed file to its text on the base (None if it is new) and now. Files that
    the change deletes stand there too, with an empty text now, so that a move between files is seen.
    """
    pool = Counter(
        (one.kind, one.text, one.code) for old, _ in pairs.values() if old is not None for one in read(old)
    )
    out: dict[str, list[Suppression]] = {}
    for path, (old, new) in pairs.items():
        fresh = []
        after = read(new)
        edited = _edited_lines(old, new, read(old) if old else (), after)
        for one in after:
            key = (one.kind, one.text, one.code)
            if pool[key] > 0:
                pool[key] -= 1
            elif edited[(one.line, one.kind, one.text)] == 0:
                fresh.append(one)
        if fresh:
            out[path] = fresh
    return out


def _edited_lines(
    old: str | None, new: str, before: tuple[Suppression, ...], after: tuple[Suppression, ...]
) -> Counter[tuple[int, str, str]]:
    """Count suppressions of the new text that replace an equal one in an edited block of the old text."""
    out: Counter[tuple[int, str, str]] = Counter()
    if old is None or not new or not before:
        return out
    for tag, low, high, start, end in _blocks(old, new):
        if tag != "replace":
            continue
        had = Counter((one.kind, one.text) for one in before if low < one.line <= high)
        for one in after:
            if start < one.line <= end and had[(one.kind, one.text)] > 0:
                had[(one.kind, one.text)] -= 1
                out[(one.line, one.kind, one.text)] += 1
    return out


def _blocks(old: str, new: str) -> Sequence[tuple[str, int, int, int, int]]:
    """Give what became of the lines of a text, as difflib says it."""
    return difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes()


def kept_ones(old: str, new: str) -> Iterator[tuple[Suppression, Suppression, frozenset[int]]]:
    """Give the suppressions that two texts of a file share, in pairs, and the lines that are new in `new`."""
    before, after = find(old), find(new)
    if not before or not after:
        return
    blocks = _blocks(old, new)
    changed = frozenset(
        line for tag, _, _, start, end in blocks if tag != "equal" for line in range(start + 1, end + 1)
    )
    for _, low, high, start, end in blocks:
        had = [one for one in before if low < one.line <= high]
        for one in (one for one in after if start < one.line <= end):
            same = next((was for was in had if (was.kind, was.text) == (one.kind, one.text)), None)
            if same is not None:
                had.remove(same)
                yield same, one, changed
