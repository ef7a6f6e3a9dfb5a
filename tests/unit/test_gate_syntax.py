"""Parsing what somebody else wrote: a tree or None, from as many threads as there are."""

import ast
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

import pytest

from pev.gate import syntax


@pytest.mark.parametrize("source", ["def f(:\n", "x = \0\n", "(" * 400 + ")" * 400, b"\xff = 1\n"])
def test_what_is_no_python_has_no_tree(source: str | bytes) -> None:
    assert syntax.parse(source) is None


def test_threads_build_their_trees_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter raises SystemError where two threads build a tree at the same time."""
    at_work, entered, together = Lock(), Event(), []

    def slow(source: str) -> Any:
        together.append(not at_work.acquire(blocking=False))
        entered.wait(0.05)
        at_work.release()
        return ast.Module(body=[], type_ignores=[])

    monkeypatch.setattr(ast, "parse", slow)
    with ThreadPoolExecutor(4) as pool:
        trees = list(pool.map(syntax.parse, ["a = 1"] * 4))

    assert all(trees)
    assert together == [False] * 4


def test_a_tree_that_was_disturbed_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that builds one at the same time, in another thread, does not know of our lock."""
    build, disturbed = ast.parse, [SystemError("depth mismatch")] * 3

    def parse(*given: Any, **more: Any) -> Any:
        if disturbed:
            raise disturbed.pop()
        return build(*given, **more)

    monkeypatch.setattr(ast, "parse", parse)

    assert syntax.parse("a = 1") is not None
    assert disturbed == []


def test_many_threads_may_read_requirements_and_code_at_once() -> None:
    """Markers are read as syntax trees too."""
    deep = "x = " + "(" * 60 + "1" + ")" * 60
    line = "a; " + " and ".join(["python_version >= '3.8'"] * 40)
    with ThreadPoolExecutor(8) as pool:
        trees = [pool.submit(syntax.parse, deep) for _ in range(200)]
        read = [pool.submit(syntax.grow_requirement, line) for _ in range(200)]

    assert all(one.result() is not None for one in trees)
    assert {one.result().name for one in read} == {"a"}
