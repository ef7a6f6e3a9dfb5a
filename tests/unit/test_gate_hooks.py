"""What a plain module says to pytest, in which encoding it says it, and where no scanner would read it."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.findings import Effect
from pev.gate.coding import strange_coding
from pev.gate.contents import look_into
from pev.gate.extracted import python_in
from pev.gate.hooks import find_hooks

TEST = "tests/test_a.py"


@pytest.mark.parametrize(
    "source",
    [
        "pytest_plugins = ['swallow']\n",
        "pytest_plugins: list[str] = ['swallow']\n",
        "from swallow import names as pytest_plugins\n",
        "from swallow import pytest_plugins\n",
        "globals()['pytest_plugins'] = ['swallow']\n",
        "def pytest_plugins(): ...\n",
        "def test_a(request):\n    request.config.pluginmanager.register(Plugin())\n",
        "def pytest_runtest_makereport(item, call): ...\n",
        "class Plugin:\n    async def pytest_pyfunc_call(self): ...\n",
    ],
)
def test_a_test_module_that_steers_pytest_is_held(source: str) -> None:
    """Old ones are not the change's fault."""
    assert [(one.rule, one.effect) for one in look_into(TEST, "", source)] == [
        ("steers-pytest", Effect.HOLDS)
    ]
    assert list(look_into(TEST, source, f"import os\n{source}")) == []
    assert len(list(look_into(TEST, source, source + source))) == 1


def test_product_code_may_define_hooks_but_name_no_plugins() -> None:
    """pytest plugins are honest products, and so are conftest files, which are protected as a whole."""
    hook = "def pytest_addoption(parser): ...\n"

    assert list(find_hooks("src/plugin.py", "", hook)) == []
    assert list(find_hooks("src/plugin.py", "", "pytest_plugins = 'a'\n"))
    assert list(find_hooks("tests/conftest.py", "", hook)) == []
    assert list(find_hooks(TEST, "", "def pytestmark(): ...\nx = 'pytest_x'\n")) == []


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("# coding: utf-7\n", "utf-7"),
        ("#!/bin/python\n# -*- coding: raw_unicode_escape -*-\n", "raw-unicode-escape"),
        ("\ufeff# vim: fileencoding=shift_jis\n", "shift_jis"),
        ("\r# coding=utf-16\r", "utf-16"),
        ("# coding: no-such-thing\n", "no-such-thing"),
        ("# coding: utf-8\n", ""),
        ("# coding: latin-1\n", ""),
        ("# -*- coding: Windows-1252 -*-\n", ""),
        ("# coding: koi8-r\n", ""),
        ("x = 1\n# coding: utf-7\n", ""),
        ("\n\n# coding: utf-7\n", ""),
        ("", ""),
    ],
)
def test_only_plain_encodings_are_what_they_seem(source: str, named: str) -> None:
    """PEP 263: the line counts in the first two, the second only behind a comment or nothing."""
    assert strange_coding(source) == (codecs.lookup(named).name if named[:2] in ("ut", "sh") else named)
    found = [one.rule for one in look_into("a.py", "", source)]
    assert found == (["strange-coding"] if named else [])
    assert list(look_into("a.py", source, source)) == []
    assert list(look_into("a.txt", "", source)) == []


@pytest.mark.parametrize("path", ["src/CVS/a.py", ".github/run.py", "src/.tox/a.py", "x/CVSreader.py"])
def test_what_bandit_leaves_out_is_given_to_it(path: str) -> None:
    assert python_in(path, b"x = 1\n") == "x = 1\n"
    assert python_in("src/cvs/a.py", b"x = 1\n") is None


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_judged(old: str, new: str) -> None:
    assert list(find_hooks(TEST, new, new)) == []
    assert all(one.line >= 1 for one in find_hooks(TEST, old, new))
    assert isinstance(strange_coding(new), str)
