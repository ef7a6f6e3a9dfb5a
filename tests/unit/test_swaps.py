"""Small changes of meaning of Go and Rust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.grammar import read_as
from pev.gate.swaps import swaps
from support.golang import CALC as GO
from support.rust import CALC as RUST


def whats(source: str, grammar: str, *lines: int) -> list[str]:
    return [one.what for one in swaps(source, grammar, frozenset(lines))]


def test_operators_numbers_and_truths_are_swapped() -> None:
    assert whats(GO, "go", 11) == ["- for +"]
    assert whats(GO, "go", 16, 17, 19) == ["!= for ==", "* for /", "1 for 0", "1 for 0"]
    assert whats(RUST, "rust", 5) == ["- for +"]
    assert whats(RUST, "rust", 10, 13) == ["!= for ==", "* for /", "1 for 0"]
    assert whats("fn f() -> bool {\n    true\n}\n", "rust", 2) == ["false for true"]


@pytest.mark.parametrize(
    ("code", "grammar"),
    [
        ('package x\n\nvar a = "x" + b\n', "go"),
        ("package x\n\nfunc f() {\n\tlog.Println(1)\n}\n", "go"),
        ("fn f(a: [u8; 4]) {}\n", "rust"),
        ("const A: u8 = 1;\n", "rust"),
        ("fn f() {\n    match a { 1 => b(), _ => c() }\n}\n", "rust"),
        ("fn f( {{ )\n  1 + 1\n", "rust"),
    ],
)
def test_what_says_little_is_left_alone(code: str, grammar: str) -> None:
    assert whats(code, grammar, *range(1, 10)) == []


@given(source=st.text(max_size=200), grammar=st.sampled_from(["go", "rust"]))
def test_any_text_gives_an_answer(source: str, grammar: str) -> None:
    for one in swaps(source, grammar, frozenset(range(1, 5))):
        assert read_as(one.source, grammar)[1]
