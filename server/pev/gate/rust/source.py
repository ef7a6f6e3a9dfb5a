"""What sources of Rust show by their syntax trees: tests, assertions, suppressions, awareness of tests."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pev.gate.cwords import find_words
from pev.gate.grammar import line_of, read_as, walk
from pev.gate.subjects import Test
from pev.gate.suppressions import Suppression

if TYPE_CHECKING:
    from ast_grep_py import SgNode

_TEST: Final = re.compile(
    r"^#\s*\[\s*(?:[A-Za-z_]\w*\s*::\s*)*(?:test|rstest|test_case|quickcheck|wasm_bindgen_test)\b"
)
_IGNORED: Final = re.compile(r"^#\s*\[\s*(?:ignore\b|cfg_attr\s*\(.*\bignore\b)", re.DOTALL)
_PANICS: Final = re.compile(r"^#\s*\[\s*should_panic\b(?P<rest>.*)\]$", re.DOTALL)
_TESTS_ONLY: Final = re.compile(
    r"^#\s*\[\s*cfg\s*\(\s*(?:test|all\s*\(\s*test\b.*)\s*\)?\s*\)\s*\]$", re.DOTALL
)
_ASSERTS: Final = {
    **dict.fromkeys(("assert_eq", "assert_matches", "assert_snapshot", "insta::assert_snapshot"), 4),
    **dict.fromkeys(("assert", "prop_assert", "matches"), 3),
    "prop_assert_eq": 4,
    **dict.fromkeys(("assert_ne", "prop_assert_ne"), 2),
}
_LOOSE: Final = re.compile(r"^\(\s*(true|1\s*==\s*1)\s*[,)]")
_LEVELS: Final = r"allow|expect"
_ATTRIBUTE: Final = re.compile(
    rf"#\s*!?\s*\[\s*(?:cfg_attr\s*\(.*?,\s*)?(?:{_LEVELS})\s*\([^)]*\)", re.DOTALL
)
_SKIPPED: Final = re.compile(r"#\s*!?\s*\[\s*(?:cfg_attr\s*\(.*?,\s*)?rustfmt\s*::\s*skip\b[^\]]*", re.DOTALL)
_COVERAGE: Final = re.compile(
    r"#\s*!?\s*\[\s*(?:cfg_attr\s*\(.*?,\s*)?coverage\s*\(\s*off\b[^\]]*", re.DOTALL
)
_KINDS: Final = (("allow", _ATTRIBUTE), ("rustfmt-skip", _SKIPPED), ("no-coverage", _COVERAGE))
_MARKS: Final = re.compile(
    r"^r?#*\"(RUST_TEST_\w*|RUST_TEST|CARGO_\w*|NEXTEST\w*|--test-threads|libtest)\"#*$"
)


_REDEFINED: Final = re.compile(r"^(assert\w*|debug_assert\w*|panic|unreachable|matches)$")
_YES: Final = {"eq": "true", "ne": "false"}
_WATCHED: Final = re.compile(r"thread::current\(\)\.name\(\)$")


def suppressions(source: str) -> tuple[Suppression, ...]:
    """List the attributes that tell compiler, clippy or rustfmt to look away, inside macros too."""
    return find_words(source, ("rust",), (), _attributes)


def _attributes(tree: "SgNode") -> Iterator[tuple[str, str, int]]:
    for node in walk(tree):
        parent = node.parent()
        inside = node.kind() == "token_tree" and parent is not None and parent.kind() in _MACROS
        if node.kind() in ("attribute_item", "inner_attribute_item") or inside:
            text = node.text()
            for kind, pattern in _KINDS:
                for hit in pattern.finditer(text):
                    yield kind, hit.group(), line_of(node) + text.count("\n", 0, hit.start())


_MACROS: Final = {"macro_invocation", "macro_rule"}


def inventory(source: str) -> dict[str, Test] | None:
    """List the tests of a file by their paths in it, or give None if it cannot be parsed.

    A file that cannot be parsed and says nothing of tests has none.
    """
    tree, whole = read_as(source, "rust")
    if not whole:
        return None if "test]" in source else {}
    out: dict[str, Test] = {}
    for name, node, attributes in _functions(tree, ""):
        test = _describe(name, node, attributes)
        out[name] = test.model_copy(update={"duplicates": out[name].duplicates + 1}) if name in out else test
    return out


def _functions(parent: "SgNode", prefix: str) -> Iterator[tuple[str, "SgNode", list[str]]]:
    """Give the test functions of a module and of those in it, with their attributes."""
    attributes: list[str] = []
    for node in parent.children():
        if node.kind() == "attribute_item":
            attributes.append(node.text())
            continue
        if node.kind() in ("line_comment", "block_comment"):
            continue
        name = node.field("name")
        if node.kind() == "function_item" and name and any(map(_TEST.match, attributes)):
            yield prefix + name.text(), node, attributes
        elif node.kind() == "mod_item" and name and (body := node.field("body")) is not None:
            yield from _functions(body, f"{prefix}{name.text()}::")
        attributes = []


def _describe(name: str, node: "SgNode", attributes: list[str]) -> Test:
    body = node.field("body") or node
    panics = [found["rest"].strip() for one in attributes if (found := _PANICS.match(one))]
    asserts = [*_strengths(body), *(4 if rest else 2 for rest in panics)]
    said = " ".join(one.text() for one in walk(body) if not one.children() and "comment" not in one.kind())
    return Test(
        name=name,
        line=line_of(node),
        body=" ".join([*panics, said]),
        asserts=tuple(sorted(asserts, reverse=True)),
        skips=sum(bool(_IGNORED.match(one)) for one in attributes),
    )


def _strengths(body: "SgNode") -> Iterator[int]:
    """Give how much each assertion demands: 4 equality, 3 a condition, 2 a difference, 0 nothing."""
    for node in walk(body):
        if node.kind() == "macro_invocation":
            macro = node.field("macro")
            name = macro.text().rpartition("::")[2] if macro else ""
            if name in _ASSERTS:
                arguments = node.text().partition("!")[2].strip()
                yield 0 if _LOOSE.match(arguments) else _ASSERTS[name]
        elif node.kind() == "try_expression":
            yield 1


def tests_only(tree: "SgNode") -> list[range]:
    """Give the lines of what is compiled for tests alone: modules, functions and other items."""
    out: list[range] = []
    for node in walk(tree):
        only = False
        for child in node.children():
            if child.kind() == "attribute_item":
                text = child.text()
                only = only or bool(_TESTS_ONLY.match(text) or _TEST.match(text))
            elif child.kind() not in ("line_comment", "block_comment"):
                if only:
                    out.append(range(line_of(child), child.range().end.line + 2))
                only = False
    return out


def aware(source: str) -> tuple[tuple[int, str], ...]:
    """List the words in which product code comes to know that it is built or run for tests."""
    tree, _ = read_as(source, "rust")
    spans = tests_only(tree)
    found = (one for node in walk(tree) if (one := _sign(node)) is not None)
    return tuple((line, what) for line, what in found if not any(line in span for span in spans))


def _sign(node: "SgNode") -> tuple[int, str] | None:
    kind, line = node.kind(), line_of(node)
    if kind == "macro_invocation":
        macro = node.field("macro")
        name = macro.text() if macro else ""
        if name.rpartition("::")[2] == "cfg" and re.search(
            r"\b(test|doctest|debug_assertions|miri)\b", node.text()
        ):
            return line, f"asks how it is built: {node.text()[:60]}"
    elif kind in ("macro_definition", "function_item"):
        return _defined(node, line)
    elif kind == "call_expression" and _WATCHED.search("".join(node.text().split())):
        return line, "asks for the name of the thread that runs it"
    elif kind == "attribute_item" and re.search(r"\bcfg(_attr)?\b", node.text()):
        return _configured(node, line)
    elif kind in ("string_literal", "raw_string_literal") and _MARKS.match(node.text()):
        return None if _is_built_in(node) else (line, f"asks for the test runner: {node.text()[:40]}")
    return None


def _defined(node: "SgNode", line: int) -> tuple[int, str] | None:
    """Say what a macro or a function does to assertions: it takes their name, or agrees with everything."""
    named, body = node.field("name"), node.field("body")
    name = named.text() if named is not None else ""
    if node.kind() == "macro_definition":
        return (line, f"defines {name} anew") if _REDEFINED.match(name) else None
    if name in _YES and body is not None and body.text().strip("{} \n\t;") == _YES[name]:
        return line, f"says that anything is equal to it: {name} gives a constant"
    return None


def _configured(node: "SgNode", line: int) -> tuple[int, str] | None:
    """Say what an attribute makes of code in tests: a module of tests is usual, anything else is not."""
    text = " ".join(node.text().split())
    if not re.search(r"\b(test|doctest|miri)\b", text):
        return None
    item = node.next()
    while item is not None and item.kind() in ("attribute_item", "line_comment", "block_comment"):
        item = item.next()
    plain = _TESTS_ONLY.match(node.text()) is not None
    if (
        plain
        and item is not None
        and item.kind() in ("mod_item", "use_declaration", "extern_crate_declaration")
    ):
        return None
    return line, f"is another one in tests: {text[:60]}"


def _is_built_in(node: "SgNode") -> bool:
    """Say whether a text stands in `env!(…)`, which is read when the code is built."""
    return any(
        one.kind() == "macro_invocation" and re.match(r"(option_)?env\b", one.text())
        for one in node.ancestors()
    )
