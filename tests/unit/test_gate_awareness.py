"""Product code that knows of the test runner, and code that only looks like it."""

import pytest

from pev.gate.awareness import signs_of


@pytest.mark.parametrize(
    "line",
    [
        "import pytest",
        "from _pytest.runner import CallInfo",
        "import unittest",
        "from unittest import SkipTest",
        "runner = sys.modules.get('_pytest.python')",
        "quiet = 'pytest' in sys.modules",
        "quiet = 'PYTEST_CURRENT_TEST' in os.environ",
        "main = sys.modules['__main__']",
        "import __main__",
        "meter = sys.modules.get('coverage')",
        "meter = sys.modules['coverage']",
        "meter = 'coverage' in sys.modules",
        "meter = import_module('coverage')",
        "path = sys.orig_argv[-1]",
        "from sys import orig_argv",
        "sys.settrace(None)",
        "raise case.SkipTest(name)",
        "text = open(__file__).read()",
        "text = Path(__file__).read_text()",
        "text = inspect.getsource(f)",
        "class A:\n    def __eq__(self, other):\n        return True",
        "class A:\n    def __ne__(self, other):\n        return False",
    ],
)
def test_what_knows_of_the_runner_is_noticed(line: str) -> None:
    assert signs_of("", f"{line}\n"), line
    assert signs_of(f"{line}\n", f"x = 1\n{line}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        '"""Run it with pytest."""',
        "if __name__ == '__main__':\n    main()",
        "text = Path(__file__).with_name('data.json').read_text()",
        "coverage = 'coverage'",
        "class A:\n    def __eq__(self, other):\n        return self.x == other.x",
        "class A:\n    def __eq__(self, o):\n        if o:\n            return True\n        return False",
        "class A:\n    def __contains__(self, other):\n        return False",
        "def f(:",
        "",
    ],
)
def test_what_does_not_is_left_alone(line: str) -> None:
    assert signs_of("", f"{line}\n") == []


def test_a_sign_names_its_line_once() -> None:
    (one,) = signs_of("", "x = 1\nimport pytest\nimport pytest\n")

    assert one == (2, "imports the test runner pytest")
