"""Tests are known by their syntax tree, and so is what becomes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.subjects import Test, inventory, is_test_file, is_test_ground

BASE = (
    "import pytest\n\nfrom app import add\n\nLIMIT = 3\n\n\ndef aid(n):\n    return n\n\n\n"
    "def test_add():\n    assert add(1, 2) == LIMIT\n\n\nclass TestMore:\n    def test_zero(self):\n"
    "        assert add(0, 0) == 0\n"
)


def listed(source: str) -> dict[str, Test]:
    found = inventory(source)
    assert found is not None
    return found


@pytest.mark.parametrize("path", ["test_a.py", "tests/unit/test_a.py", "src/app/a_test.py"])
def test_test_files_are_known_by_name(path: str) -> None:
    assert is_test_file(path)
    assert is_test_ground(path)


def test_helpers_and_data_of_tests_are_test_ground() -> None:
    assert is_test_ground("tests/data/a.json")
    assert is_test_ground("conftest.py")
    assert not is_test_file("tests/aid.py")
    assert not is_test_ground("src/app/contest.py")


def test_functions_methods_and_guarded_tests_are_listed() -> None:
    source = BASE + "\n\nif True:\n    async def test_later():\n        pass\n\n\ndef helper():\n    pass\n"

    assert list(listed(source)) == ["test_add", "TestMore::test_zero", "test_later"]


def test_unittest_classes_count_and_disabled_ones_do_not() -> None:
    source = "class Case(unittest.TestCase):\n    def test_a(self): pass\n"

    assert list(listed(source)) == ["Case::test_a"]
    assert listed(source + "    __test__ = False\n") == {}


def test_the_body_is_the_test_without_its_name() -> None:
    one = listed("def test_a():\n    assert f(1) == 2\n")["test_a"]
    other = listed("# moved\n\n\ndef test_b():\n    assert f(1) == 2  # same\n")["test_b"]

    assert one.body == other.body


def test_a_second_definition_of_a_name_is_counted() -> None:
    assert listed("def test_a(): pass\ndef test_a(): pass\n")["test_a"].duplicates == 1


@pytest.mark.parametrize(
    "mark",
    [
        "@pytest.mark.skip\ndef test_a(): pass\n",
        "@pytest.mark.xfail(strict=False)\ndef test_a(): pass\n",
        "@unittest.skipIf(True, '')\ndef test_a(): pass\n",
        "def test_a():\n    pytest.skip('later')\n",
        "def test_a():\n    raise SkipTest\n",
        "pytestmark = pytest.mark.skip\n\n\ndef test_a(): pass\n",
        "pytest.importorskip('nothing')\n\n\ndef test_a(): pass\n",
    ],
)
def test_every_way_to_skip_is_counted(mark: str) -> None:
    assert listed(mark)["test_a"].skips == 1


@pytest.mark.parametrize(
    ("strong", "weak"),
    [
        ("assert f(7) == 3.5", "assert f(7) is not None"),
        ("assert f(7) == 3.5", "assert f(7)"),
        ("assert f(7) == 3.5", "assert f(7) == 3.5 or True"),
        ("assert f(7) == 3.5", "assert f(7) > 0"),
        ("assert f(7) == 3.5", "assert f(7) == approx(3, abs=9)"),
        ("assert f(7) == 3.5", "assert f(7) != 9"),
        ("assert f(7) == 3.5", "assert True"),
        ("assert f(7) == 3.5", "assert 3.5 in (f(7), 1)"),
        ("pytest.raises(ValueError)", "pytest.raises(Exception)"),
        ("pytest.raises(ValueError, match='x')", "pytest.raises(ValueError)"),
        ("self.assertEqual(f(7), 3)", "self.assertTrue(f(7))"),
    ],
)
def test_a_loosened_assertion_is_weaker(strong: str, weak: str) -> None:
    before = listed(f"def test_a():\n    {strong}\n")["test_a"].asserts
    after = listed(f"def test_a():\n    {weak}\n")["test_a"].asserts

    assert after < before


@given(st.text(max_size=300))
def test_every_text_is_listed_or_refused(text: str) -> None:
    assert inventory(text) is None or isinstance(inventory(text), dict)
