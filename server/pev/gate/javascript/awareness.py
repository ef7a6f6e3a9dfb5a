"""Finds product code that comes to know whether it is being tested: by variables, globals, imports.

Code that behaves only while it is tested passes every run; these are the words with which it begins.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import line_of, read_as, walk
from pev.gate.javascript.inventory import GRAMMARS, literal

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_MARKS: Final = re.compile(
    r"NODE_TEST_CONTEXT|VITEST(?:_\w+)?|JEST_WORKER_ID|JEST_\w+|__vitest_\w+|__jest_\w+|__coverage__|"
    r"NODE_V8_COVERAGE|MOCHA_\w+|NYC_\w+|TAP_CHILD_ID|AVA_\w+"
)
_RUNNERS: Final = re.compile(
    r"(?:node:)?test(?:/.*)?|vitest(?:/.*)?|@jest/.*|jest(?:-.*)?|mocha|ava|tap|chai|@vitest/.*"
)
_GLOBALS: Final = {
    "describe",
    "it",
    "test",
    "jest",
    "vi",
    "vitest",
    "expect",
    "beforeEach",
    "afterEach",
    "beforeAll",
    "mocha",
}
_PLATFORM: Final = re.compile(
    r"(?:node)?[aA]ssert(?:\.strict)?|expect|chai|process(?:\.std(?:out|err))?|console|globalThis|global|Reflect|Promise|"
    r"JSON|Math|Date|Number|Object|Error|Module(?:\.prototype)?|require\.cache|"
    r"(?:Object|Function|Array|String|Number|Boolean|Promise|Error|Map|Set|RegExp|Symbol|Date)\.prototype"
)
_HARMLESS: Final = re.compile(r"process\.(?:title|exitCode)|Error\.stackTraceLimit")
_DEFINING: Final = {
    "Object.defineProperty",
    "Object.defineProperties",
    "Object.assign",
    "Object.setPrototypeOf",
    "Reflect.set",
    "Reflect.defineProperty",
}
_HOLDERS: Final = {"globalThis", "global", "window", "self"}
_WORDS: Final = {
    "identifier",
    "property_identifier",
    "shorthand_property_identifier",
    "shorthand_property_identifier_pattern",
}


def aware(source: str) -> tuple[tuple[int, str], ...]:
    """List the lines on which code looks for a test runner, with what it looks at."""
    tree, _ = read_as(source, *GRAMMARS)
    return tuple(dict.fromkeys((line_of(node), what) for node in walk(tree) for what in _signs(node)))


def _signs(node: "SgNode") -> Iterator[str]:
    kind = node.kind()
    if kind in _WORDS and _MARKS.fullmatch(node.text()):
        yield f"looks for {node.text()}"
    elif kind in ("string", "template_string"):
        text = literal(node) or ""
        if _MARKS.fullmatch(text):
            yield f"looks for {text}"
        elif _is_imported(node) and _RUNNERS.fullmatch(text) and text not in ("test", "tap"):
            yield f"imports {text}"
    elif kind == "binary_expression":
        yield from _compared(node)
    elif kind == "unary_expression" and node.text().startswith("typeof"):
        name = node.text().removeprefix("typeof").strip(" ()")
        if name.rpartition(".")[2] in _GLOBALS:
            yield f"asks for the global {name}"
    elif kind in ("member_expression", "subscript_expression"):
        yield from _members(node)
    elif kind in ("assignment_expression", "augmented_assignment_expression"):
        yield from _replaced(node)
    elif kind == "call_expression":
        yield from _called(node)


def _replaced(node: "SgNode") -> Iterator[str]:
    """Say which function of the platform, or of its assertions, is replaced by another."""
    left, right = node.field("left"), node.field("right")
    if left is None or right is None or left.kind() not in ("member_expression", "subscript_expression"):
        return
    base = left.field("object")
    named = base.text() if base is not None else ""
    if left.text() == "process.exitCode" and right.text() in ("0", "undefined", "null"):
        yield "takes back the exit code of the process"
    elif _PLATFORM.fullmatch(named) and not _HARMLESS.fullmatch(left.text()):
        yield f"replaces {left.text()[:80]}, which is not its own"


def _called(node: "SgNode") -> Iterator[str]:
    """Say which calls redefine the platform, or wait for the end of the process to have the last word."""
    function, arguments = node.field("function"), node.field("arguments")
    words = [one for one in (arguments.children() if arguments is not None else ()) if one.is_named()]
    name = function.text() if function is not None else ""
    if not words:
        return
    if name in _DEFINING and _PLATFORM.fullmatch(words[0].text()):
        yield f"redefines {words[0].text()[:80]}, which is not its own"
    elif name in ("process.on", "process.once", "process.addListener", "process.prependListener"):
        if literal(words[0]) in ("exit", "beforeExit"):
            yield "waits for the end of the process"
    elif name == "process.kill" and words[0].text() == "process.ppid":
        yield "sends a signal to who started it"


def _members(node: "SgNode") -> Iterator[str]:
    base = node.field("object")
    name = node.field("property") or node.field("index")
    if base is None or name is None:
        return
    word = name.text().strip("'\"`")
    if base.text() in _HOLDERS and word in _GLOBALS:
        yield f"asks for the global {word}"
    elif base.text() in ("process.env", "import.meta.env") and word == "CI":
        yield "looks whether it runs in CI"
    elif base.text() == "process" and word == "execArgv":
        yield "looks at node's own options"
    elif base.text() == "import.meta" and word == "vitest":
        yield "looks for vitest"


def _compared(node: "SgNode") -> Iterator[str]:
    """Say what a comparison, or a text that is put together of constants, comes to know."""
    text = node.text()
    if re.search(r"\b(?:NODE_ENV|MODE)\b", text) and re.search(r"""["'`]test(?:ing)?["'`]""", text):
        parent = node.parent()
        if parent is None or parent.kind() != "binary_expression":
            yield "asks whether NODE_ENV is test"
    parts = _joined(node)
    if parts and _MARKS.fullmatch(parts):
        yield f"looks for {parts}, which it puts together"


def _joined(node: "SgNode") -> str:
    """Give the text that constants make when they are added, "" if there is anything else."""
    operator = node.field("operator")
    if node.kind() == "binary_expression":
        left, right = node.field("left"), node.field("right")
        if operator is None or operator.text() != "+" or left is None or right is None:
            return ""
        first, second = _joined(left), _joined(right)
        return first + second if first and second else ""
    return literal(node) or ""


def _is_imported(node: "SgNode") -> bool:
    parent = node.parent()
    if parent is not None and parent.kind() in ("import_statement", "export_statement"):
        return True
    call = parent.parent() if parent is not None and parent.kind() == "arguments" else None
    function = call.field("function") if call is not None else None
    return function is not None and function.text() in ("require", "import")
