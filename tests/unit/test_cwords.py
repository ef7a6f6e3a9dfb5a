"""Suppressions in comments of other languages, by their syntax trees."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.cwords import find_words
from pev.gate.grammar import comments, line_of, read_as, walk
from pev.gate.suppressions import new_ones

if TYPE_CHECKING:
    from ast_grep_py import SgNode

WORDS = (("nolint", re.compile(r"//\s*nolint\b.*")), ("ts-ignore", re.compile(r"@ts-ignore\b.*")))
TS = ("typescript", "tsx")


def found(source: str, *grammars: str) -> list[tuple[str, str, int]]:
    return [(one.kind, one.text, one.line) for one in find_words(source, grammars, WORDS)]


def test_a_comment_is_found_where_it_stands() -> None:
    source = "package x\n\nvar a = 1 // nolint: errcheck\n"

    assert found(source, "go") == [("nolint", "// nolint: errcheck", 3)]
    assert find_words(source, ("go",), WORDS)[0].code == "var a = 1 // nolint: errcheck"


def test_a_line_of_a_block_comment_has_its_own_number() -> None:
    assert found("/* one\n * @ts-ignore\n */\nlet a = 1\n", *TS) == [("ts-ignore", "@ts-ignore", 2)]


@pytest.mark.parametrize("grammar", ["go", "rust", "javascript", "typescript", "tsx"])
@given(text=st.text(alphabet="abc @/*-'", max_size=20))
def test_what_stands_in_a_string_is_no_comment(grammar: str, text: str) -> None:
    """Tests and documentation of linters speak of suppressions too."""
    value = f'"{text}// nolint"'
    source = {
        "go": f"package x\nvar a = {value}\n",
        "rust": f"const A: &str = {value};\n",
    }.get(grammar, f"const a = {value}\n")

    assert comments(source, (grammar,)) == []
    assert found(source, grammar) == []


def test_a_source_that_cannot_be_read_is_looked_at_as_text() -> None:
    """Broken syntax hides nothing."""
    source = "package x\nfunc f( {{ )\n  a() // nolint\n"

    assert comments(source, ("go",)) is None
    assert found(source, "go") == [("nolint", "// nolint", 3)]


def test_the_first_grammar_that_reads_a_source_wins() -> None:
    cast, element = "let a = <string>b // nolint\n", "let a = <b>// nolint</b> // nolint\n"

    assert [one[2] for one in found(cast, *TS)] == [1]
    assert [one[1] for one in found(element, *TS)] == ["// nolint"]


def test_suppressions_that_are_no_comments_are_found_in_the_tree() -> None:
    def attributes(tree: "SgNode") -> Iterable[tuple[str, str, int]]:
        return [
            ("allow", node.text(), line_of(node)) for node in walk(tree) if node.kind() == "attribute_item"
        ]

    found = find_words("// nolint\n#[allow(dead_code)]\nfn f() {}\n", ("rust",), WORDS, attributes)

    assert [(one.kind, one.line) for one in found] == [("nolint", 1), ("allow", 2)]


def test_a_moved_suppression_is_not_new() -> None:
    def read(text: str) -> tuple[object, ...]:
        return find_words(text, ("go",), WORDS)

    old, new = "package x\nvar a = 1 // nolint\n", "package x\n\n\nvar a = 1 // nolint\nvar b = 1 // nolint\n"

    fresh = new_ones({"x.go": (old, new)}, lambda text: find_words(text, ("go",), WORDS))

    assert [one.line for one in fresh["x.go"]] == [5]
    assert len(read(old)) == 1


@given(source=st.text(max_size=200), grammar=st.sampled_from(["go", "rust", "typescript", "javascript"]))
def test_any_text_gives_an_answer(source: str, grammar: str) -> None:
    """A crash of the gate is no verdict."""
    find_words(source, (grammar,), WORDS)


def test_deep_code_gives_an_answer() -> None:
    deep = "fn f() { let x = " + "(" * 50_000 + "1" + ")" * 50_000 + "; } // nolint\n"

    assert len(find_words(deep, ("rust",), WORDS)) == 1
    assert read_as(deep, "rust")[1]
