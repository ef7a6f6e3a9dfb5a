"""Suppressions that hide nothing: of code that no interpreter reaches; the rest is measured, not read."""

import pytest

from pev.gate.idle import _unreachable
from pev.gate.suppressions import find, without
from pev.gate.unsuppressed import reach

TYPED = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:  # pragma: no cover\n    import os\n"


def only(text: str) -> bool:
    (one,) = find(text)
    return _unreachable(one, text)


@pytest.mark.parametrize(
    "text",
    [
        TYPED,
        "import typing as t\n\nif t.TYPE_CHECKING:  # pragma: no cover\n    import os\n",
        "import typing\n\nif typing.TYPE_CHECKING:  # pragma: no cover\n    import os\n",
    ],
)
def test_what_only_type_checkers_read_needs_no_coverage(text: str) -> None:
    assert only(text)


@pytest.mark.parametrize(
    "text",
    [
        TYPED + "TYPE_CHECKING = True\n",
        "TYPE_CHECKING = 1\nif TYPE_CHECKING:  # pragma: no cover\n    import os\n",
        "from mine import TYPE_CHECKING\nif TYPE_CHECKING:  # pragma: no cover\n    import os\n",
        "from .typing import TYPE_CHECKING\nif TYPE_CHECKING:  # pragma: no cover\n    import os\n",
        "import mine as t\nif t.TYPE_CHECKING:  # pragma: no cover\n    import os\n",
        "import typing as t\nt.TYPE_CHECKING = True\nif t.TYPE_CHECKING:  # pragma: no cover\n    import os",
        TYPED + "globals()['TYPE_CHECKING'] = True\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING or 1:  # pragma: no cover\n    import os\n",
        "def f():  # pragma: no cover\n    return 1\n",
        "if TYPE_CHECKING:  # pragma: no cover\n    import os\n",
    ],
)
def test_a_flag_of_ones_own_makes_code_that_runs(text: str) -> None:
    """Otherwise untested code would hide behind the flag's name."""
    assert not only(text)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("x = 1  # noqa: E501\n", "x = 1\n"),
        ("x = 1  # type: ignore[misc]  # why\n", "x = 1  # why\n"),
        ("x = '# noqa: E501'  # noqa: E501", "x = '# noqa: E501'"),
        ("# ruff: noqa: F401\nx = 1\n", "\nx = 1\n"),
    ],
)
def test_a_suppression_is_taken_out_and_nothing_else(text: str, bare: str) -> None:
    assert without(text, find(text)) == bare


@pytest.mark.parametrize(
    ("text", "line", "lines"),
    [
        ("a = 1\nb = 2  # noqa: F1\nc = 3\n", 2, {2}),
        ("a = f(\n    1,  # noqa: F1\n)\nc = 3\n", 2, {1, 2, 3}),
        ("@d\ndef f(\n    a,\n):  # noqa: F1\n    return 1\n", 4, {1, 2, 3, 4}),
        ("class A:\n    def f(self):  # noqa: F1\n        return 1\n", 2, {2}),
    ],
)
def test_a_suppression_speaks_for_its_statement(text: str, line: int, lines: set[int]) -> None:
    (one,) = find(text)

    assert one.line == line
    assert set(reach(one, text)) == lines


def test_a_comment_of_its_own_may_speak_for_the_file() -> None:
    (one,) = find("# ruff: noqa: F401\nimport os\n\nimport sys\n")

    assert {2, 4} <= set(reach(one, "# ruff: noqa: F401\nimport os\n\nimport sys\n"))
