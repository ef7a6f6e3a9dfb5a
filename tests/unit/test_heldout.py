"""Held-out tests as a tester writes them, and which models are of one family."""

import pytest

from pev.errors import TestsInvalid
from pev.family import family_of, kin_of
from pev.roles.heldout import find_source, parse_tests
from pev.work import Kin
from support.plans import plan

GOOD = "from app.slug import slugify\n\n\ndef test_c1_joins() -> None:\n    assert slugify('A b') == 'a-b'\n"


def test_tests_are_known_by_the_criterion_in_their_name() -> None:
    two = plan(acceptance_criteria=[{"id": "c1", "description": "one"}, {"id": "c12", "description": "two"}])
    held = parse_tests(GOOD + "\n\ndef test_c12_more() -> None:\n    assert True\n", two)
    assert held.tests == {"c1": ("test_c1_joins",), "c12": ("test_c12_more",)}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "1 to 200000"),
        ("def test_c1(:", "do not parse"),
        ("x = 1\n", "no test"),
        ("def test_c9_a():\n    assert 1\n", "carries the id of no criterion"),
        ("import pytest\n\n@pytest.mark.skip\ndef test_c1_a():\n    assert 1\n", "may be skipped"),
        (GOOD + GOOD, "more than once"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(source: str, said: str) -> None:
    with pytest.raises(TestsInvalid, match=said):
        parse_tests(source, plan())


def test_the_module_is_found_in_a_chatty_answer() -> None:
    assert find_source(f"Here:\n```python\n{GOOD}```\nand\n```\nx\n```\n") == GOOD
    assert find_source(GOOD) == GOOD


def test_a_set_has_one_name_whatever_order_it_was_written_in() -> None:
    assert parse_tests(GOOD, plan()).digest == parse_tests(GOOD, plan()).digest
    assert parse_tests(GOOD, plan()).digest != parse_tests(GOOD + "\n", plan()).digest
    assert "slugify" not in repr(parse_tests(GOOD, plan()))


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("anthropic:claude-sonnet-4-5", "claude"),
        ("bedrock:us.anthropic.claude-opus-4", "claude"),
        ("openai:gpt-5.1-codex", "gpt"),
        ("o3-mini", "gpt"),
        ("google-gla:gemini-3-pro", "gemini"),
        ("openrouter:meta-llama/llama-4", "llama"),
        ("ollama:qwen3", "qwen"),
        ("", ""),
        ("my-model", ""),
        ("claude/gpt-5", ""),
    ],
)
def test_a_family_is_told_from_the_models_own_name(name: str, family: str) -> None:
    assert family_of(name) == family


def test_what_cannot_be_told_is_not_different() -> None:
    assert kin_of(["claude-x"], "gpt-5") is Kin.DIFFERENT
    assert kin_of(["claude-x", "gpt-4"], "gpt-5") is Kin.SAME
    assert kin_of([], "gpt-5") is Kin.UNKNOWN
    assert kin_of(["mystery"], "gpt-5") is Kin.UNKNOWN
    assert kin_of(["claude-x", "mystery"], "gpt-5") is Kin.UNKNOWN
    assert kin_of(["claude-x"], "mystery") is Kin.UNKNOWN
