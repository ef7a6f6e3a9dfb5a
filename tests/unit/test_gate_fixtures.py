"""A conftest.py is judged by what it does to the run, not by its being there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.fixtures import fixture_names, steers

HEAD = "import pytest\nfrom pathlib import Path\n\n"
OLD = HEAD + "@pytest.fixture\ndef old() -> int:\n    return 1\n"
NEW = "\n@pytest.fixture\ndef fresh(old: int) -> int:\n    return old + 1\n"


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        OLD + NEW,
        '"""What tests share."""\n' + OLD + NEW,
        OLD + "\nROOT = Path('x')\nNAMES: dict[str, int] = {'a': 1}\n",
        OLD + "\n\nclass Thing:\n    def name(self) -> str:\n        return str(1)\n",
        OLD + "\n@pytest.fixture(scope='session', name='other')\ndef _other() -> int:\n    return 1\n",
        OLD
        + "\n@pytest.fixture\ndef app(tmp_path):\n    app = new(1)\n    app.conf['a'] = 1\n    app.x = 2\n",
        OLD + "\n@pytest.fixture\ndef app(old):\n    old.x = 2\n    os.environ['A'] = '1'\n",
        OLD + "\n\ndef make(n: int) -> int:\n    return n\n",
    ],
)
def test_offering_something_new_does_not_steer(new: str) -> None:
    assert steers(OLD, new, {"old", "seven"}) == ""


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (OLD + "\ndef pytest_collection_modifyitems(items):\n    items.clear()\n", "hook"),
        (OLD + "\nfrom evil import pytest_runtest_call\n", "hook"),
        (OLD + "\nfrom evil import *\n", "hook"),
        (OLD + "\npytest_plugins = ['evil']\n", "pytest_plugins"),
        (OLD + "\ncollect_ignore = ['test_calc.py']\n", "collect_ignore"),
        (OLD + "\n@pytest.fixture(autouse=True)\ndef fresh() -> None: ...\n", "autouse"),
        (OLD + "\nimport os\nos._exit(0)\n", "_exit"),
        (OLD + "\n@pytest.fixture\ndef fresh() -> None:\n    import os\n    os._exit(0)\n", "_exit"),
        (OLD + "\nprint('hello')\n", "runs on import"),
        (OLD + "\nVALUE = compute()\n", "runs code on import"),
        (OLD + "\nPath.exists = lambda self: True\n", "not its own"),
        (OLD + "\n@pytest.fixture\ndef fresh():\n    Path.exists = good\n", "not its own"),
        (OLD + "\ndef swap():\n    own = Path\n    own.exists = good\n", "not its own"),
        (OLD + "\ndef swap():\n    own: Any = cast(Any, Path)\n    own.exists = good\n", "not its own"),
        (OLD + "\nclass A:\n    def swap(self):\n        TABLE['a'] = 1\n", "not its own"),
        (OLD + "\nif True:\n    pass\n", "runs on import"),
        (OLD + "\n@evil\ndef fresh() -> None: ...\n", "decorator"),
        (OLD + "\n@pytest.fixture\ndef tmp_path() -> int:\n    return 1\n", "in use already"),
        (OLD + "\n@pytest.fixture\ndef seven() -> int:\n    return 1\n", "in use already"),
        (OLD + "\n@pytest.fixture(name='seven')\ndef eight() -> int:\n    return 1\n", "in use already"),
        (OLD.replace("return 1", "return 2"), "changed or gone"),
        (HEAD, "changed or gone"),
        (OLD + "\ndef broken(:\n", "cannot be parsed"),
        (OLD + "\nimport _pytest.runner\n", "_pytest"),
        (OLD + "\n\nclass Thing:\n    x = compute()\n", "runs code on import"),
        (OLD + "\n@pytest.fixture\ndef fresh():\n    import sys\n    sys.modules['x'] = 1\n", "modules"),
    ],
)
def test_what_can_change_existing_tests_steers(new: str, said: str) -> None:
    assert said in steers(OLD, new, {"old", "seven"})


def test_a_deleted_conftest_steers_and_an_empty_one_does_not() -> None:
    assert steers(OLD, None, set())
    assert steers(None, "", set()) == steers("", None, set()) == ""


def test_names_that_tests_ask_for_are_taken() -> None:
    source = (
        "import pytest\n\n\n@pytest.mark.usefixtures('used')\ndef test_x(asked, *, more):\n    pass\n\n\n"
        "@pytest.fixture\ndef offered(request):\n    return request.getfixturevalue('dynamic')\n"
    )

    assert fixture_names(source) >= {"asked", "more", "offered", "used", "dynamic"}


def test_names_that_a_test_file_answers_itself_are_asked_of_nobody() -> None:
    """So a fixture may move from a test file to a conftest.py; one that others ask for may not."""
    fixture = "@pytest.fixture\ndef stock():\n    return 1\n\n\n"
    test = "def test_a(stock, other):\n    pass\n"

    assert fixture_names(HEAD + fixture + test, beyond=True) == {"other"}
    assert fixture_names(HEAD + fixture + test) == {"stock", "other"}
    assert "stock" in fixture_names(HEAD + test, beyond=True)
    assert "stock" in fixture_names(HEAD + fixture.replace("stock()", "stock(stock)") + test, beyond=True)
    assert "stock" in fixture_names(
        HEAD + fixture.replace("fixture", "fixture(name='x')") + test, beyond=True
    )
    inner = "class TestA:\n    @pytest.fixture\n    def stock(self):\n        return 1\n\n\n"
    assert "stock" in fixture_names(HEAD + inner + test, beyond=True)
    assert fixture_names("def (", beyond=True) == set()


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_text_is_judged(old: str, new: str) -> None:
    assert isinstance(steers(old, new, set()), str)
