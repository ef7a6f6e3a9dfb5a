"""Foreign text: what reaches a terminal or a model is harmless, and fenced whatever it holds."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pev.text import clip, fence, harmless, one_line


def test_escape_sequences_are_taken_out() -> None:
    assert harmless("\x1b[2J\x1b[H\x1b[32mALL PASSED\x1b[0m") == "ALL PASSED"


def test_operating_system_commands_are_taken_out() -> None:
    assert harmless("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c") == "abc"


def test_characters_that_turn_the_direction_are_written_out() -> None:
    assert harmless("a\u202eb") == "a\\u202eb"


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert harmless(b"caf\xe9") == "caf\ufffd"


@given(st.text())
def test_harmless_text_holds_no_control_characters(text: str) -> None:
    for char in harmless(text):
        assert char in "\n\t" or unicodedata.category(char) != "Cc"


@given(st.text(max_size=500), st.integers(min_value=10, max_value=100))
def test_clipped_text_keeps_head_and_tail(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    half = limit // 2
    assert clipped[:half] == text[:half]
    assert clipped.endswith(text[-half:])
    assert len(clipped) <= limit + 60


@given(st.text(alphabet="`ab\n", max_size=80))
def test_nothing_inside_closes_the_fence(text: str) -> None:
    fenced = fence("Log", text)
    opening = fenced.splitlines()[1]
    assert set(opening) == {"`"}
    assert opening not in harmless(text)
    assert fenced.endswith(opening)


def test_one_line_is_one_line_of_the_asked_length() -> None:
    assert one_line("a\n\n b\t" + "c" * 400, 20) == "a b " + "c" * 15 + "…"
