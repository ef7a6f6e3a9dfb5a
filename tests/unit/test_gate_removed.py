"""Old tests of code that is gone: the rest of their file is run, and nothing is left out without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.removed import Adapted, adapt, find_removed, members_of

UNITS = "LIMIT = 3\n\n\ndef grams(text): ...\n\n\ndef spoken(amount): ...\n"
TESTS = """\
import pytest

from larder.units import grams, spoken

SAID = spoken(1)


def aid():
    return spoken(2)


@pytest.fixture
def word():
    return aid()


def test_grams():
    assert grams('1 g') == 1


def test_spoken():
    assert spoken(1) == '1 g'


def test_aid():
    assert aid()


def test_said():
    assert SAID


def test_word(word):
    assert word


class TestBoth:
    def test_a(self):
        assert grams('')

    def test_b(self):
        assert spoken(3)
"""
SET_UP = """\
from larder.a import b


class TestA:
    def setup_method(self):
        b()

    def test_a(self): ...
"""
REMOVED = frozenset({"larder.units.spoken"})


def adapted(base: str, candidate: str | None = None, removed: frozenset[str] = REMOVED) -> Adapted:
    found = adapt("tests/test_a.py", base, candidate, removed)
    assert found is not None
    return found


def test_removed_names_are_those_that_no_changed_file_offers() -> None:
    new = UNITS.replace("def spoken", "def told")
    found = find_removed([("src/larder/units.py", UNITS)], [("src/larder/units.py", new)], ".")

    assert "larder.units.spoken" in found.names
    assert not {"larder.units", "larder.units.grams", "larder.units.LIMIT"} & found.names


def test_a_module_that_is_gone_takes_its_names_along() -> None:
    found = find_removed([("lib/larder/units.py", UNITS)], [], ".")

    assert {"larder.units", "larder.units.grams"} <= found.names


@pytest.mark.parametrize(
    "new",
    [
        [("src/larder/units/__init__.py", UNITS)],
        [("src/larder/units.py", "from larder.words import *\n")],
        [("src/larder/units.py", "def __getattr__(name): ...\n")],
        [("src/larder/units.py", "from larder.words import grams, spoken, LIMIT\n")],
        [
            (
                "src/larder/units.py",
                "try:\n    from fast import spoken\nexcept ImportError:\n    from slow import *\n",
            )
        ],
        [("src/larder/units.py", "def grams(): ...\n"), ("src/larder/units/__init__.py", UNITS)],
    ],
)
def test_what_is_offered_in_another_way_is_not_removed(new: list[tuple[str, str]]) -> None:
    """A package in place of a module, or names that come from elsewhere."""
    assert "larder.units.spoken" not in find_removed([("src/larder/units.py", UNITS)], new, ".").names


def test_removed_members_are_those_that_no_changed_class_has() -> None:
    old = "class A:\n    size = 1\n    def low(self):\n        self.seen = 1\n    def take(self): ...\n"
    new = "class B:\n    def take(self): ...\n"

    assert find_removed([("a.py", old)], [("a.py", new)], ".").members == {"size", "low", "seen"}


def test_only_tests_that_rest_on_removed_code_are_dropped() -> None:
    """Through helpers, fixtures and constants too, and each of them is named."""
    found = adapted(TESTS)

    assert found.dropped == ("test_spoken", "test_aid", "test_said", "test_word", "TestBoth::test_b")
    assert found.gone == ("larder.units.spoken",)
    assert "def test_grams" in found.source
    assert "def test_a" in found.source
    assert "spoken" not in found.source


def test_an_import_follows_what_moved() -> None:
    """As the change's version of the file imports it; a person hears of it."""
    new = TESTS.replace("import grams, spoken", "import grams\nfrom larder.words import spoken")
    found = adapted(TESTS, new)

    assert (found.dropped, found.gone) == ((), ())
    assert found.moved == ("larder.units.spoken to larder.words.spoken",)
    assert "from larder.words import spoken\nfrom larder.units import grams" in found.source


@pytest.mark.parametrize(
    ("source", "removed"),
    [
        ("from larder import units\n\n\ndef test_a():\n    units.spoken(1)\n", "larder.units.spoken"),
        ("from larder import units\n\n\ndef test_a():\n    units.grams(1)\n", "larder.units"),
        ("import larder.units\n\n\ndef test_a():\n    larder.units.grams(1)\n", "larder.units"),
        ("import larder.units as u\n\n\ndef test_a():\n    u.spoken(1)\n", "larder.units.spoken"),
        ("def test_a():\n    from larder.units import spoken\n", "larder.units.spoken"),
        ("def test_a():\n    patch('larder.units.spoken')\n", "larder.units.spoken"),
        ("from larder.units import spoken as s\n\n\n@mark(s)\ndef test_a(): ...\n", "larder.units.spoken"),
        ("from larder.a import B\n\n\nclass TestA(B):\n    def test_a(self): ...\n", "larder.a.B"),
        (SET_UP, "larder.a.b"),
    ],
)
def test_every_way_to_mention_removed_code_is_seen(source: str, removed: str) -> None:
    found = adapted(source + "\n\ndef test_other(): ...\n", None, frozenset({removed}))

    assert len(found.dropped) == 1
    assert found.gone == (removed,)
    assert "test_other" in found.source


@pytest.mark.parametrize(
    "source", ["def test_a():\n    assert f()\n", "from .units import spoken\n", "def (:\n"]
)
def test_a_file_that_mentions_nothing_removed_stays_as_it_is(source: str) -> None:
    assert adapt("tests/test_a.py", source, None, REMOVED) is None


def test_a_test_that_mentions_a_member_is_known_by_its_name() -> None:
    source = "def test_a(): x.low()\n\n\nclass TestA:\n    def test_b(self): x.high()\n"

    assert members_of(source, "test_a[1-2]") == {"low"}
    assert members_of(source, "TestA::test_b") == {"high"}
    assert members_of(source, "test_none") == members_of("def (", "test_a") == frozenset()


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_judged(old: str, new: str) -> None:
    find_removed([("a.py", old)], [("b.py", new)], ".")
    adapt("tests/test_a.py", old, new, {"os.path"})
