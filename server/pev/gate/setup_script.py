"""Reads a setup.py by its syntax tree, without running it: what it requires, and what else it does.

What it hands to `setup` as plain values is data, like the tables of a pyproject.toml. Everything else is
code that runs when the project is built.
"""

import ast
import configparser
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final

from pev.gate.syntax import parse

_REQUIRING: Final = ("install_requires", "setup_requires", "tests_require", "extras_require", "requires")
_METADATA: Final = {
    *_REQUIRING,
    "author",
    "author_email",
    "classifiers",
    "description",
    "download_url",
    "keywords",
    "license",
    "license_files",
    "long_description",
    "long_description_content_type",
    "maintainer",
    "maintainer_email",
    "name",
    "package_dir",
    "packages",
    "platforms",
    "project_urls",
    "py_modules",
    "python_requires",
    "url",
    "version",
    "zip_safe",
}
_SIMPLEST: Final = "from setuptools import find_packages, setup\nsetup()\n"


def outside_of_metadata(raw: bytes | None) -> str | None:
    """Give what a setup.py does beside naming plain metadata, for comparison; None if it cannot be parsed.

    A script that is not there does what the simplest one does, whose imports and call are the same.
    """
    tree = parse(raw if raw is not None else _SIMPLEST)
    if tree is None:
        return None
    body = [node for node in tree.body if not (isinstance(node, ast.Expr) and _is_plain(node.value))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _callee(node) == "setup":
            node.keywords = [word for word in node.keywords if not _is_metadata(word)]
    return "\n".join(
        ast.dump(node) if not _is_usual_import(node) else "from setuptools" for node in _once(body)
    )


def _once(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements; of several imports from setuptools only the first."""
    seen = False
    for node in body:
        if not (usual := _is_usual_import(node)) or not seen:
            yield node
        seen = seen or usual


def _is_usual_import(node: ast.stmt) -> bool:
    """Say whether a statement imports the usual names from setuptools, by their own names."""
    names = [name for name in getattr(node, "names", ()) if isinstance(name, ast.alias)]
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "setuptools"
        and {name.name for name in names} <= {"setup", "find_packages", "find_namespace_packages"}
        and not any(name.asname for name in names)
    )


def _is_metadata(word: ast.keyword) -> bool:
    if word.arg not in _METADATA:
        return False
    finder = isinstance(word.value, ast.Call) and _callee(word.value).startswith("find_")
    return _is_plain(word.value) or (finder and isinstance(word.value, ast.Call) and _plain_call(word.value))


def _plain_call(call: ast.Call) -> bool:
    return all(map(_is_plain, call.args)) and all(_is_plain(word.value) for word in call.keywords)


def _callee(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _is_plain(node: ast.expr) -> bool:
    return _value(node) is not None


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def required(raw: bytes, wants: Callable[[str], bool] | None = None) -> tuple[str, ...]:
    """List the requirements that stand in a setup.py as plain values, whatever it does with them.

    With `wants` only those of the project and of its tests, and of the extras whose names it wants.
    """
    tree = parse(raw)
    out: dict[str, None] = {}
    for node in ast.walk(tree) if tree is not None else ():
        for name, value in _named(node):
            found = _value(value) if name in _REQUIRING else None
            if wants is not None and name == "extras_require" and isinstance(found, dict):
                found = {extra: lines for extra, lines in found.items() if wants(str(extra))}
            if wants is None or name in ("install_requires", "tests_require", "extras_require"):
                out |= dict.fromkeys(_lines(found))
    return tuple(out)


def described(raw: bytes) -> dict[str, Any]:
    """Give what a setup.py hands to `setup` as plain values, by name."""
    tree = parse(raw)
    calls = [
        node
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Call) and _callee(node) == "setup"
    ]
    words = [word for call in calls for word in call.keywords if word.arg]
    return {str(word.arg): found for word in words if (found := _value(word.value)) is not None}


def points_of(value: Any) -> dict[str, dict[str, str]]:
    """Read entry points as setuptools takes them: a text in sections, or a mapping of lines."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
    if isinstance(value, dict):
        groups = {str(group): "\n".join(_lines(lines)) for group, lines in value.items()}
        value = "\n".join(f"[{group}]\n{lines}" for group, lines in groups.items())
    try:
        parser.read_string(textwrap.dedent(value) if isinstance(value, str) else "")
    except configparser.Error:
        return {}
    return {group: dict(parser.items(group)) for group in parser.sections()}


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Give the values that a node binds to a name: as a keyword, a key of a mapping, or a variable."""
    if isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    elif isinstance(node, ast.Assign):
        yield from ((ast.unparse(target).lower(), node.value) for target in node.targets)


def _lines(value: Any) -> list[str]:
    """Give the requirements in a text, a list of them, or a mapping of extras."""
    if isinstance(value, dict):
        return [line for inner in value.values() for line in _lines(inner)]
    texts = value.splitlines() if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]
