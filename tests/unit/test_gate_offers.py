"""What a test file may add without anything that was there being different for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.offers import only_adds, runs_code

BASE = (
    "import pytest\n\nfrom app import add\n\nLIMIT = 3\n\n\ndef aid(n):\n    return n\n\n\n"
    "def test_add():\n    assert add(1, 2) == LIMIT\n\n\nclass TestMore:\n    def test_zero(self):\n"
    "        assert add(0, 0) == 0\n"
)


@pytest.mark.parametrize(
    "added",
    [
        "\n\ndef test_new():\n    assert add(2, 2) == 4\n",
        "\n\n@pytest.mark.parametrize('n', [1])\ndef test_new(n):\n    assert n\n",
        "\n\nclass TestNew:\n    def test_x(self):\n        assert True\n",
        "\n\nimport json\n",
        "",
    ],
)
def test_new_tests_at_the_end_only_add(added: str) -> None:
    assert only_adds(BASE, BASE + added)
    assert only_adds(BASE, f'"""Doc."""\n{BASE}') is False


@pytest.mark.parametrize(
    "new",
    [
        BASE.replace("LIMIT = 3", "LIMIT = 4"),
        BASE.replace("== LIMIT", ">= LIMIT"),
        BASE + "\n\ndef test_add():\n    pass\n",
        BASE + "\n\ndef add(a, b):\n    return 3\n",
        BASE + "\n\nfrom fake import add\n",
        BASE + "\n\nfrom fake import *\n",
        BASE + "\n\nadd = lambda a, b: 3\n",
        BASE + "\n\ndel test_add\n",
        BASE + "\n\n@pytest.fixture(autouse=True)\ndef fake(monkeypatch):\n    pass\n",
        BASE + "\n\ndef setup_module():\n    pass\n",
        BASE.replace("def aid(n):\n    return n\n", ""),
        "def broken(:\n",
    ],
)
def test_what_touches_existing_tests_does_more_than_add(new: str) -> None:
    assert not only_adds(BASE, new)


@pytest.mark.parametrize(
    "added",
    [
        "class TestNew:\n    pytestmark = pytest.mark.fast\n    size: int = -1\n    names = ['a', {1: 2}]\n",
        "class TestNew:\n    def setup_method(self) -> None:\n        self.shop = Shop()\n",
        "class Fake(Shop, Generic[int]):\n    'One.'\n    @property\n    def open(self) -> int | None: ...",
        "@pytest.mark.parametrize('a', [pytest.param(1, 2 * 3), (lambda: 1, Shop)])\ndef test_b(a): ...",
        "async def test_new(a, b=None, *, c: list[int] = []) -> None:\n    out = {}\n    out['a'] = Shop()\n",
        "from contextlib import contextmanager\n\n\n@contextmanager\ndef opened():\n    yield\n",
        "def test_new():\n    with pytest.raises(ValueError), patch('app.add'):\n        add(1, 2)\n",
    ],
)
def test_tests_classes_and_marks_only_add(added: str) -> None:
    assert only_adds(BASE, f"{BASE}\n\n{added}")
    assert not runs_code(BASE, f"{BASE}\n\n{added}")


@pytest.mark.parametrize(
    "added",
    [
        "class TestNew:\n    shelf = Stock\n    shelf.take = good\n",
        "class TestNew:\n    setattr(Stock, 'take', good)\n",
        "class TestNew:\n    x = patched()\n",
        "class TestNew:\n    for shelf.take in [good]:\n        pass\n",
        "class TestNew(patched()):\n    pass\n",
        "class TestNew(metaclass=patched()):\n    pass\n",
        "@patched\nclass TestNew:\n    pass\n",
        "@patched\ndef test_new():\n    pass\n",
        "@pytest.mark.parametrize('a', patched())\ndef test_new(a):\n    pass\n",
        "def test_new(a=patched()):\n    pass\n",
        "def test_new():\n    Stock.take = good\n",
        "def test_new():\n    shelf = Stock\n    shelf.take = good\n",
        "def test_new():\n    shelf: Any = cast(Any, Stock)\n    shelf.take = good\n",
        "def test_new():\n    del Stock.take\n",
        "class TestNew:\n    def test_new(self):\n        GRAMS['kg'] = 1\n",
    ],
)
def test_what_changes_things_of_others_makes_every_old_test_run(added: str) -> None:
    """While it is imported, or when it runs before them."""
    assert not only_adds(BASE, f"{BASE}\n\n{added}")
    assert runs_code(BASE, f"{BASE}\n\n{added}")


@pytest.mark.parametrize(
    "added",
    [
        "@pytest.fixture\ndef tmp_path():\n    return 1\n",
        "class Meta:\n    def __init_subclass__(cls): ...\n",
        "def pytest_generate_tests(metafunc): ...\n",
        "def setUpModule(): ...\n",
        "def __getattr__(name): ...\n",
        "import fake as pytest\n",
        "from fake import contextmanager\n",
        "from . import aid\n",
        "def test_new():\n    TABLE.update(a=1)\n",
        "def test_new():\n    sys.modules['app'] = None\n",
        "def test_new():\n    global add\n    add = 1\n",
        "def test_new():\n    for shelf in [Stock]:\n        shelf.take = good\n",
        "def test_new(shelf):\n    shelf.take = good\n",
        "def test_new(x: Evil()):\n    pass\n",
    ],
)
def test_what_may_reach_the_old_tests_is_not_only_added(added: str) -> None:
    """Then the old version of the file is run too, which costs time and blocks nobody."""
    assert not only_adds(BASE, f"{BASE}\n\n{added}")


def test_imports_of_helpers_that_the_change_writes_run_what_it_wrote() -> None:
    new = f"{BASE}\n\nfrom tests.swap import thing\n"

    assert only_adds(BASE, new)
    assert not only_adds(BASE, new, {"swap"})
    assert not runs_code(BASE, new)
    assert runs_code(BASE, new, {"swap"})


def test_edited_tests_run_nothing_while_they_are_imported() -> None:
    """A member of a class that was there before is old."""
    old = BASE.replace("class TestMore:\n", "class TestMore:\n    x = compute()\n\n")
    new = old.replace("add(0, 0) == 0", "add(0, 0) >= 0")
    assert len({BASE, old, new}) == 3

    assert not runs_code(old, new)
    assert not runs_code(BASE, BASE.replace("LIMIT = 3", "LIMIT, MORE = Limit(4), {1: Path('x')}"))
    assert runs_code(BASE, BASE.replace("LIMIT = 3", "LIMIT = compute()"))
    assert runs_code(BASE, "def broken(:\n")


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_judged(old: str, new: str) -> None:
    assert isinstance(only_adds(old, new), bool)
    assert isinstance(runs_code(old, new), bool)
