"""What sources of Go show by their syntax trees: tests, assertions, suppressions, awareness of tests."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.cwords import find_words
from pev.gate.grammar import line_of, read_as, walk
from pev.gate.subjects import Test
from pev.gate.suppressions import Suppression

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_TEST: Final = re.compile(r"^(Test|Benchmark|Fuzz|Example)(?![a-z])")
_OUTPUT: Final = re.compile(r"^//\s*(unordered )?output:", re.IGNORECASE)
_SKIPS: Final = {"Skip", "Skipf", "SkipNow"}
_DEMANDS: Final = {
    **dict.fromkeys(("Error", "Errorf", "Fail", "FailNow", "Fatal", "Fatalf"), 3),
    **dict.fromkeys(
        ("Equal", "Equalf", "EqualValues", "Exactly", "JSONEq", "ElementsMatch", "EqualError", "ErrorIs"), 4
    ),
    **dict.fromkeys(("NotNil", "NotEmpty", "NotEqual", "NotZero", "Error", "Condition"), 2),
}
_LIBRARIES: Final = {"assert", "require", "is", "cmp", "qt"}
_WORDS: Final = (
    ("nolint", re.compile(r"//\s*nolint\b.*")),
    ("nosec", re.compile(r"#nosec\b.*")),
    ("lint-ignore", re.compile(r"//\s*lint:(?:file-)?ignore\b.*")),
    ("build-constraint", re.compile(r"^//(?:go:build|\s*\+build)\s+(?:.*[^\w])?(?:ignore|never|none)\b.*")),
)
_CONSTRAINT: Final = (("build-constraint", re.compile(r"^//(?:go:build|\s*\+build)\s+.*")),)
_NESTED: Final = {"block", "statement_list", "expression_statement", "argument_list", "call_expression"}
_MARKS: Final = re.compile(r"^[\"`](-?-?test\.|.*\.test(\.exe)?[\"`]$|.*(_test\.go|\btRunner|testing\.t))")


def suppressions(source: str) -> tuple[Suppression, ...]:
    """List what tells a linter, or the build, to look away; a test file may not take itself out at all."""
    words = (*_WORDS[:3], *_CONSTRAINT) if '"testing"' in source else _WORDS
    return find_words(source, ("go",), words)


def inventory(source: str) -> dict[str, Test] | None:
    """List the tests of a file, and subtests whose names are plain text, or give None if it cannot be parsed.

    Examples that name no output are only compiled, and are none.
    """
    tree, whole = read_as(source, "go")
    if not whole:
        return None
    out: dict[str, Test] = {}
    for node in tree.children():
        name = _named(node)
        if node.kind() != "function_declaration" or not _TEST.match(name) or name == "TestMain":
            continue
        if name.startswith("Example") and not _has_output(node):
            continue
        _add(out, name, node)
        for inner, body in _subtests(node, name):
            _add(out, inner, body)
    return out


def _add(out: dict[str, Test], name: str, node: "SgNode") -> None:
    body = node.field("body") or node
    test = Test(
        name=name,
        line=line_of(node),
        body=" ".join(one.text() for one in walk(body) if not one.children() and one.kind() != "comment"),
        asserts=tuple(sorted(_strengths(body), reverse=True)),
        skips=sum(_method(one) in _SKIPS for one in _calls(body)),
    )
    out[name] = test.model_copy(update={"duplicates": out[name].duplicates + 1}) if name in out else test


def _named(node: "SgNode") -> str:
    name = node.field("name")
    return name.text() if name is not None else ""


def _has_output(node: "SgNode") -> bool:
    return any(_OUTPUT.match(one.text()) for one in walk(node) if one.kind() == "comment")


def _calls(node: "SgNode") -> Iterator["SgNode"]:
    return (one for one in walk(node) if one.kind() == "call_expression")


def _method(call: "SgNode") -> str:
    function = call.field("function")
    field = function.field("field") if function is not None else None
    return field.text() if field is not None else ""


def _owner(call: "SgNode") -> str:
    function = call.field("function")
    operand = function.field("operand") if function is not None else None
    return operand.text() if operand is not None else ""


def _strengths(body: "SgNode") -> Iterator[int]:
    """Give how much each assertion demands: 4 equality, 3 a condition that fails the test, 2 little."""
    for call in _calls(body):
        name = _method(call)
        if _owner(call) in _LIBRARIES:
            yield _DEMANDS.get(name, 3)
        elif name in ("Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"):
            yield 3


def _subtests(node: "SgNode", prefix: str) -> Iterator[tuple[str, "SgNode"]]:
    """Give subtests with plain names that are run in any case, one for each run of their test."""
    for call in _calls(node):
        words = _arguments(call)
        if _method(call) != "Run" or len(words) != 2 or words[0].kind() != "interpreted_string_literal":
            continue
        if words[1].kind() == "func_literal" and _is_straight(call, node):
            name = f"{prefix}/{rewritten(words[0].text()[1:-1])}"
            yield name, words[1]
            yield from _subtests(words[1], name)


def _arguments(call: "SgNode") -> list["SgNode"]:
    found = call.field("arguments")
    return [one for one in found.children() if one.is_named()] if found is not None else []


def _is_straight(call: "SgNode", top: "SgNode") -> bool:
    """Say whether a call stands in the body of a function itself, in no condition, loop or other function."""
    node = call.parent()
    while node is not None and node.range() != top.range():
        if node.kind() not in _NESTED:
            return False
        node = node.parent()
    return True


def rewritten(name: str) -> str:
    """Give the name of a subtest as Go reports it: spaces are underscores."""
    return re.sub(r"\s", "_", name)


def aware(source: str) -> tuple[tuple[int, str], ...]:
    """List the words in which product code comes to know of the test runner, with their lines."""
    tree, _ = read_as(source, "go")
    return tuple(found for node in walk(tree) if (found := _sign(node)) is not None)


def _sign(node: "SgNode") -> tuple[int, str] | None:
    kind = node.kind()
    if kind == "import_spec":
        path = node.field("path")
        if path is not None and path.text() in ('"testing"', '"testing/internal/testdeps"'):
            return line_of(node), "imports the package testing"
    elif kind in ("interpreted_string_literal", "raw_string_literal") and _MARKS.match(node.text()):
        return line_of(node), f"asks for the test runner: {node.text()[:40]}"
    elif kind == "call_expression" and _method(node) in ("SetBlockProfileRate", "CoverMode"):
        return line_of(node), "asks what is measured"
    return None


def top_names(source: str) -> tuple[str, ...]:
    """Give the names of the functions that a file declares."""
    tree, _ = read_as(source, "go")
    return tuple(_named(node) for node in tree.children() if node.kind() == "function_declaration")


def harness(source: str) -> Iterator[tuple[str, int, str]]:
    """Give what steers all tests of a package from a test file: name, line and code of TestMain and init."""
    tree, _ = read_as(source, "go")
    for node in tree.children():
        if node.kind() == "function_declaration" and _named(node) in ("TestMain", "init"):
            yield _named(node), line_of(node), node.text()
