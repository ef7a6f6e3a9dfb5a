"""Types that a change takes away instead of correcting them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.findings import Effect
from pev.gate.slack import find_slack

BASE = """\
from typing import Any, cast

WIDTH: int = 12
Amount = float


class Shelf:
    size: int

    def put(self, name: str, amount: Amount = 1.0, **more: str) -> dict[str, int]:
        count: int = 3
        return {name: count}

    def __eq__(self, other: "Shelf") -> bool:
        return True
"""


def rules(new: str, old: str | None = BASE, path: str = "src/app/shelf.py") -> list[str]:
    return [one.rule for one in find_slack(path, old, new)]


def changed(old: str, new: str) -> str:
    assert BASE.count(old) == 1
    return BASE.replace(old, new)


@pytest.mark.parametrize(
    "new",
    [
        changed("-> dict[str, int]", "-> Any"),
        changed("-> dict[str, int]", "-> dict[str, Any]"),
        changed("-> dict[str, int]", '-> "dict[str, Any]"'),
        changed("-> dict[str, int]", "-> object"),
        changed("name: str", "name: typing.Any"),
        changed("size: int", "size: Any"),
        changed("WIDTH: int", "WIDTH: Any"),
        changed("Amount = float", "Amount = Any"),
        changed("Any, cast", "Any as Row, cast").replace("-> dict[str, int]", "-> Row"),
        changed("-> dict[str, int]", "-> Row").replace("Amount = float", "Row = Any\nAmount = float"),
    ],
)
def test_a_type_that_becomes_any_holds(new: str) -> None:
    """What was wrong is to be corrected, not to be left unsaid."""
    found = list(find_slack("src/app/shelf.py", BASE, new))

    assert "annotation-loosened" in {one.rule for one in found}
    assert {one.effect for one in found} == {Effect.HOLDS}


@pytest.mark.parametrize("new", [changed(" -> dict[str, int]", ""), changed("name: str", "name")])
def test_an_annotation_of_a_signature_that_is_gone_holds(new: str) -> None:
    assert rules(new) == ["annotation-removed"]


@pytest.mark.parametrize(
    "new",
    [
        BASE,
        changed("-> dict[str, int]", "-> dict[str, float]"),
        changed("WIDTH: int = 12", "WIDTH = 12"),
        changed("count: int = 3", "count = 3"),
        changed("name: str,", "name: str, extra: Any,"),
        changed('other: "Shelf"', "other: object"),
        changed("class Shelf", "class Cupboard"),
        BASE + "\n\ndef load(raw: Any) -> Any:\n    return cast(dict[str, Any], raw)\n",
        BASE + "\n\nfound: Any = None\nraw: Any = load()\n",
    ],
)
def test_other_changes_of_types_pass(new: str) -> None:
    assert rules(new) == []


@pytest.mark.parametrize(
    "line",
    [
        'N: int = cast(Any, "12")',
        'N: int = typing.cast(Any, "12")',
        'N: int = cast("Any", f())',
        'N: int = cast(int, "12")',
        'N: int = cast(typ=int, val="12")',
        'N: Any = "12"',
    ],
)
def test_a_cast_that_only_silences_holds(line: str) -> None:
    assert rules(f"{BASE}\n{line}\n") == ["type-cast"]


def test_a_cast_under_another_name_is_one() -> None:
    assert rules('from typing import Any, cast as seen\n\nN: int = seen(Any, "1")\n', None) == ["type-cast"]


def test_a_cast_of_the_base_is_not_new() -> None:
    line = 'N: int = cast(Any, "12")\n'

    assert rules(f"{BASE}\n# moved\n{line}", f"{BASE}{line}") == []
    assert rules(f"{BASE}{line}{line}", f"{BASE}{line}") == ["type-cast"]


@pytest.mark.parametrize(
    "text",
    [
        "if TYPE_CHECKING:\n    N: int = 12\nelse:\n    N = '12'\n",
        "if not typing.TYPE_CHECKING:\n    N = '12'\n",
        "N = '12'\nif MYPY:\n    N: int = 12\n",
        "N: int = 12 if TYPE_CHECKING else '12'\n",
        "def f(x: int) -> int:\n    if TYPE_CHECKING:\n        return x\n    return str(x)\n",
        "if TYPE_CHECKING:\n    def f() -> int: ...\nelse:\n    def f(): return ''\n",
        "assert not TYPE_CHECKING\n",
    ],
)
def test_code_that_only_one_of_both_reads_holds(text: str) -> None:
    assert "checker-only" in rules(text, None)
    assert rules(text, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from app import Shelf\n",
        "if TYPE_CHECKING:\n    from a import F\nelse:\n    F = object\n",
        "if typing.TYPE_CHECKING:\n    Names = list[str]\n\n    class P(Protocol):\n        size: int\n",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import a\n",
        "if TYPE_CHECKING:\n    from numpy import ndarray\nelse:\n    ndarray = object\n",
        "if TYPE_CHECKING:\n    T_co = a.TypeVar('T_co', default=int)\nelse:\n    T_co = TypeVar('T_co')\n",
        "if TYPE_CHECKING:\n    import a\nelse:\n    try:\n        import a\n    except E:\n        raise\n",
    ],
)
def test_imports_and_names_for_annotations_pass(text: str) -> None:
    assert rules(text, None) == []


def test_tests_may_say_what_they_like() -> None:
    assert rules('x = cast(Any, "1")\n', None, "tests/test_a.py") == []


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_pair_of_texts_is_compared(old: str, new: str) -> None:
    assert all(one.line >= 0 for one in find_slack("a.py", old, new))


def test_a_protocol_for_the_checker_alone_may_have_methods_that_others_have_too() -> None:
    """What a class holds is its own: a `__call__` here and there are two."""
    text = (
        "import typing as t\n\nif t.TYPE_CHECKING:\n    class PWrapper(t.Protocol):\n"
        "        def __call__(self, f: int) -> int: ...\n\n\n"
        "class Symbol:\n    def __call__(self, f: int) -> int:\n        return f\n"
    )

    assert not [
        one for one in find_slack("src/app/a.py", "import typing as t\n", text) if one.rule == "checker-only"
    ]


def test_a_class_that_is_another_for_the_checker_is_held() -> None:
    text = (
        "import typing as t\n\nif t.TYPE_CHECKING:\n    class Gate:\n        def open(self) -> int: ...\n"
        "else:\n    Gate = make()\n"
    )

    assert [one for one in find_slack("src/app/a.py", "", text) if one.rule == "checker-only"]


def test_a_name_for_a_loose_type_is_as_loose_as_what_it_stands_for() -> None:
    """Writing it out changes nothing; giving it a name hides nothing."""
    named = "import typing as t\n_opt = t.Optional[t.Any]\n_map = t.Dict[str, _opt]\n"
    named += "\ndef f(a: _opt, b: _map) -> int: ...\n"
    plain = "import typing as t\n\ndef f(a: t.Any | None, b: dict[str, t.Any | None]) -> int: ...\n"
    strict = "import typing as t\n\ndef f(a: str | None, b: dict[str, int]) -> int: ...\n"

    assert not list(find_slack("src/app/a.py", named, plain))
    assert (
        len([one for one in find_slack("src/app/a.py", strict, named) if one.rule == "annotation-loosened"])
        == 2
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type[set]", "type[set[Any]]"),
        ("Callable", "Callable[..., Any]"),
        ("IO", "IO[Any]"),
        ("dict", "dict[str, Any]"),
    ],
)
def test_writing_out_what_a_bare_generic_means_loosens_nothing(old: str, new: str) -> None:
    """A generic without parameters lets in anything already."""
    before, after = (f"def f(a: {one}) -> int: ...\n" for one in (old, new))

    assert not list(find_slack("src/app/a.py", before, after))


def test_leaving_out_the_parameters_of_a_generic_loosens() -> None:
    before, after = (f"def f(a: {one}) -> int: ...\n" for one in ("dict[str, int]", "dict"))

    assert [one.rule for one in find_slack("src/app/a.py", before, after)] == ["annotation-loosened"]


def test_a_class_that_is_used_as_a_value_is_no_annotation() -> None:
    assert not list(find_slack("src/app/a.py", "kind = OrderedSet\n", "kind = set\n"))
