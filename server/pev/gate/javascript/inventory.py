"""Lists the tests of a JavaScript or TypeScript file, by its syntax tree.

It knows the words that node:test, vitest, jest and mocha share. A test is named by its groups and itself; a
name that is put together at run time is marked, as no report can be searched for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.grammar import COMMENTS, line_of, read_as, walk
from pev.gate.javascript.assertions import strengths
from pev.gate.subjects import Test

if TYPE_CHECKING:
    from ast_grep_py import SgNode

GRAMMARS: Final = ("tsx", "typescript", "javascript")
JOIN: Final = " > "
OPEN: Final = "~ "
"""Begins the name of a test that is put together at run time."""
_GROUPS: Final = {"describe", "suite", "context", "xdescribe", "fdescribe"}
_TESTS: Final = {"it", "test", "specify", "xit", "xtest", "fit"}
_SKIPPING: Final = {"skip", "todo", "failing", "fails", "skipIf", "runIf", "xit", "xtest", "xdescribe"}
_NARROWING: Final = {"only", "fit", "fdescribe"}
_HOOKS: Final = {"before", "after", "beforeEach", "afterEach", "beforeAll", "afterAll", "mock", "step", "use"}
_NAMES: Final = {
    "string",
    "template_string",
    "identifier",
    "binary_expression",
    "member_expression",
    "call_expression",
}
_CALLBACKS: Final = {"arrow_function", "function_expression", "function", "generator_function"}


def inventory(source: str) -> dict[str, Test] | None:
    """List the tests of a file by their names, or give None if it cannot be parsed."""
    tree, whole = read_as(source, *GRAMMARS)
    if not whole:
        return None
    out: dict[str, Test] = {}
    for name, call, skips in _tests(tree, (), 0, inside=False):
        test = _described(name, call, skips)
        out[name] = test.model_copy(update={"duplicates": out[name].duplicates + 1}) if name in out else test
    return out


def narrowings(tree: "SgNode") -> Iterator[tuple[str, str, int]]:
    """List what lets a runner leave out the tests beside it: kind, text and line."""
    for node in walk(tree):
        if node.kind() != "call_expression":
            continue
        words = words_of(node)
        if words and words[0] in _GROUPS | _TESTS and _NARROWING & set(words):
            yield "only", ".".join(words), line_of(node)
        elif words and words[0] in _GROUPS | _TESTS and _option(node, "only"):
            yield "only", f"{words[0]} {{ only }}", line_of(node)


def words_of(call: "SgNode") -> list[str]:
    """Give the dotted name that a call begins with: `test.each(…)(…)` is test, each."""
    function = call.field("function")
    words: list[str] = []
    while function is not None:
        kind = function.kind()
        if kind == "identifier":
            return [function.text(), *reversed(words)]
        if kind == "member_expression":
            property_ = function.field("property")
            words.append(property_.text() if property_ is not None else "")
            function = function.field("object")
        elif kind == "call_expression":
            function = function.field("function")
        else:
            return []
    return []


def _tests(
    node: "SgNode", groups: tuple[str, ...], skips: int, *, inside: bool
) -> Iterator[tuple[str, "SgNode", int]]:
    """Give each test below a node: its name, its call, and how many skips stand above it."""
    for child in node.children():
        if child.kind() != "call_expression":
            yield from _tests(child, groups, skips, inside=inside)
            continue
        words = words_of(child)
        kind = _kind(words, inside=inside)
        callback = _callback(child)
        # the method of anything may be called `test`: one that declares is given what to run
        foreign = bool(words) and words[0] not in _GROUPS | _TESTS and callback is None
        if not kind or foreign or not _named(child):
            yield from _tests(child, groups, skips, inside=inside)
            continue
        name = (*groups, _name(child, words))
        own = skips + _skips(child, words, within=kind == "test")
        if kind == "test":
            yield JOIN.join(name), child, own
        if callback is not None:
            yield from _tests(callback, name, own if kind == "group" else 0, inside=kind == "test")


def _kind(words: list[str], *, inside: bool) -> str:
    """Say what a call declares: a group, a test, or nothing.

    Another object's method of such a name (`t.test`, `nodeTest.describe`) declares one too, a hook does not.
    """
    if words and words[0] not in _GROUPS | _TESTS:
        words = words[1:]
    if not words or _HOOKS.intersection(words[1:2]):
        return ""
    if words[0] in _GROUPS or _GROUPS.intersection(words[1:2]):
        return "group" if not inside else "test"
    return "test" if words[0] in _TESTS else ""


def _arguments(call: "SgNode") -> list["SgNode"]:
    arguments = call.field("arguments")
    if arguments is None or arguments.kind() != "arguments":
        return []
    return [one for one in arguments.children() if one.is_named() and one.kind() not in COMMENTS]


def _named(call: "SgNode") -> bool:
    """Say whether a call gives a name first, as a declaration of a test does."""
    arguments = _arguments(call)
    if not arguments or arguments[0].kind() not in _NAMES:
        return False
    return len(arguments) > 1 or arguments[0].kind() in ("string", "template_string")


def _callback(call: "SgNode") -> "SgNode | None":
    return next((one for one in _arguments(call) if one.kind() in _CALLBACKS), None)


def _name(call: "SgNode", words: list[str]) -> str:
    first = _arguments(call)[0]
    text = literal(first)
    if text is None or {"each", "for"} & set(words):
        return OPEN + " ".join(first.text().split())
    return text


def literal(node: "SgNode") -> str | None:
    """Give the text of a string that is written out, or None."""
    if node.kind() not in ("string", "template_string"):
        return None
    parts = []
    for part in node.children():
        if part.kind() == "template_substitution":
            return None
        if part.kind() == "escape_sequence":
            parts.append(_ESCAPES.get(part.text(), part.text()[1:]))
        elif part.kind() in ("string_fragment", "template_chars"):
            parts.append(part.text())
    return "".join(parts)


_ESCAPES: Final = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\0": "\0", "\\b": "\b", "\\f": "\f", "\\v": "\v"}


def _skips(call: "SgNode", words: list[str], *, within: bool) -> int:
    """Count what keeps a test or a group from running, or from counting; also `within` it."""
    found = len(_SKIPPING & set(words))
    found += sum(_option(call, key) for key in ("skip", "todo"))
    callback = _callback(call) if within else None
    return found + (sum(_skips_itself(node) for node in walk(callback)) if callback is not None else 0)


def _skips_itself(node: "SgNode") -> bool:
    """Say whether a call inside a test takes the test back: `t.skip()`, `this.skip()`."""
    if node.kind() != "call_expression":
        return False
    function = node.field("function")
    if function is None or function.kind() != "member_expression":
        return False
    base, name = function.field("object"), function.field("property")
    inside = base is not None and base.text() in ("t", "ctx", "context", "this", "test", "it", "task")
    return inside and name is not None and name.text() in ("skip", "todo") and not _named(node)


def _option(call: "SgNode", key: str) -> bool:
    """Say whether a call has an option that is not plainly false."""
    for one in _arguments(call):
        for pair in one.children() if one.kind() == "object" else ():
            name, value = pair.field("key"), pair.field("value")
            if name is not None and name.text().strip("'\"") == key:
                return value is None or value.text() not in ("false", "undefined", "null")
            if pair.kind() == "shorthand_property_identifier" and pair.text() == key:
                return True
    return False


def _described(name: str, call: "SgNode", skips: int) -> Test:
    rest = _arguments(call)[1:]
    return Test(
        name=name,
        line=line_of(call),
        body=" ".join(token for node in rest for token in tokens(node)),
        asserts=tuple(sorted((one for node in rest for one in strengths(node)), reverse=True)),
        skips=skips,
    )


def tokens(node: "SgNode") -> Iterator[str]:
    """Give the words of a piece of code, comments left out."""
    for one in walk(node):
        if one.is_leaf() and one.kind() not in COMMENTS and (text := one.text().strip()):
            yield text
