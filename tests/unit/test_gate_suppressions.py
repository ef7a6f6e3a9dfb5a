"""Suppressions are counted where they are comments, and only where they are new."""

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.suppressions import find, new_ones

MARKS = [
    ("# noqa", "noqa"),
    ("# noqa: F401", "noqa"),
    ("#noqa:E501,F401", "noqa"),
    ("# ruff: noqa: F401", "noqa"),
    ("# flake8: noqa", "noqa"),
    ("# ruff: disable[F401]", "ruff"),
    ("# pylint: disable=all", "pylint"),
    ("# type: ignore", "type-ignore"),
    ("# type:ignore[assignment]", "type-ignore"),
    ("# pyright: ignore", "type-ignore"),
    ("# mypy: ignore-errors", "type-pragma"),
    ("# mypy: disable-error-code=assignment", "type-pragma"),
    ("# pyright: basic", "type-pragma"),
    ("# nosec", "nosec"),
    ("# nosec B602", "nosec"),
    ("# pragma: no cover", "no-cover"),
    ("# pragma:no branch", "no-cover"),
    ("# fmt: off", "fmt"),
    ("# fmt: skip", "fmt"),
    ("# isort: skip_file", "isort"),
]


@pytest.mark.parametrize(("comment", "kind"), MARKS)
def test_each_kind_of_suppression_is_known(comment: str, kind: str) -> None:
    (found,) = find(f"x = 1\ny = 2  {comment}\n")

    assert (found.kind, found.line, found.code.startswith("y = 2")) == (kind, 2, True)


def test_two_on_one_line_are_two() -> None:
    assert [one.kind for one in find("x = 1  # type: ignore # noqa\n")] == ["noqa", "type-ignore"]


def test_a_decorator_that_switches_types_off_is_one() -> None:
    (found,) = find("import typing\n\n\n@typing.no_type_check\ndef f(): ...\n")

    assert (found.kind, found.line) == ("no-type-check", 4)


@pytest.mark.parametrize(
    "source",
    [
        "from typing import no_type_check as documented\n\n\n@documented\ndef f(): ...\n",
        "import typing as t\n\n\n@t.no_type_check_decorator\ndef f(): ...\n",
        "import typing\n\ndocumented = typing.no_type_check\n",
    ],
)
def test_the_decorator_is_one_under_any_name(source: str) -> None:
    assert [one.kind for one in find(source)] == ["no-type-check"]


@pytest.mark.parametrize(
    "text", ["# noqadays", "# type: int", "# see pragma", "# format: off", "# a comment"]
)
def test_other_comments_are_none(text: str) -> None:
    assert find(f"x = 1  {text}\n") == ()


@given(st.sampled_from(MARKS), st.sampled_from(['"', "'", '"""', "'''"]))
def test_a_string_is_not_a_suppression(mark: tuple[str, str], quote: str) -> None:
    """Tests of linters hold such texts by the dozen."""
    assert find(f"x = {quote}a {mark[0]}{quote}\n") == ()


@given(st.text(max_size=300))
def test_every_text_can_be_searched(text: str) -> None:
    assert all(one.line >= 1 for one in find(text))


def test_a_file_that_is_not_python_is_searched_line_by_line() -> None:
    assert [one.kind for one in find("def f(:\n    x = 1  # noqa\n")] == ["noqa"]


def test_what_stood_there_is_not_new() -> None:
    assert new_ones({"a.py": ("x = 1  # noqa\n", "y = 2\n\nx = 1  # noqa\n")}) == {}


def test_what_moved_to_another_file_is_not_new() -> None:
    assert new_ones({"a.py": ("x = 1  # noqa\n", ""), "b.py": (None, "x = 1  # noqa\n")}) == {}


def test_an_edited_line_keeps_its_suppression() -> None:
    old = "a = 1\nx = call(1)  # noqa: S603\nb = 2\n"

    assert new_ones({"a.py": (old, old.replace("call(1)", "call(2)"))}) == {}


def test_a_second_one_of_the_same_kind_is_new() -> None:
    old = "a = 1\nx = call(1)  # noqa: S603\nb = 2\n"
    new = old + "y = call(3)  # noqa: S603\n"

    assert [one.line for one in new_ones({"a.py": (old, new)})["a.py"]] == [4]


def test_a_wider_one_is_new() -> None:
    old = "x = call(1)  # noqa: S603\n"

    assert new_ones({"a.py": (old, "x = call(1)  # noqa\n")})["a.py"][0].text == "# noqa"


def test_one_that_is_taken_away_elsewhere_pays_for_none() -> None:
    """Removing a useless suppression does not buy a useful one."""
    old = "import os  # noqa: F401\n" + "\n".join(f"v{i} = {i}" for i in range(20)) + "\n"
    new = old.replace("  # noqa: F401", "") + "import re  # noqa: F401\n"

    assert [one.code for one in new_ones({"a.py": (old, new)})["a.py"]] == ["import re # noqa: F401"]


@given(st.lists(st.sampled_from([mark for mark, _ in MARKS]), max_size=5))
def test_each_added_line_is_found(marks: list[str]) -> None:
    names = [word for word in "abcdefgh" if not keyword.iskeyword(word)]
    text = "".join(f"{name} = 1  {mark}\n" for name, mark in zip(names, marks, strict=False))

    found = new_ones({"a.py": (None, text)}).get("a.py", [])

    assert {one.line for one in found} == set(range(1, len(marks) + 1))
