"""Code that is broken on purpose: it stays Python, it says something else, and only where it was asked."""

import ast
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.sabotage import mutants, without_functions, without_module

SOURCE = '''"""Doc."""
from __future__ import annotations

import logging

LIMIT = 3


def outer(a: int, b: int) -> int:
    """Doc."""
    if a < b and not b:
        logging.info("%s", a + 1)
        raise ValueError(a + b)

    def inner(c: int) -> int:
        return c * 2

    notify(a)
    return inner(a) + LIMIT


class Thing:
    size = 4

    async def grow(self) -> int:
        self.size += 1
        return self.size


def notify(a: int) -> None:
    print(a)
'''
LINES = len(SOURCE.splitlines())
lines_of_source = st.frozensets(st.integers(1, LINES))


def line_of(text: str) -> frozenset[int]:
    return frozenset({1 + SOURCE.splitlines().index(text)})


def function(source: str, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    return next(
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    )


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("    notify(a)", "outer"),
        ("        return c * 2", "inner"),
        ("        return self.size", "grow"),
    ],
)
def test_the_innermost_function_raises_first_of_all(line: str, name: str) -> None:
    """Behind its docstring, so that nothing else of it runs."""
    changed = without_functions(SOURCE, line_of(line))

    assert changed is not None
    first = next(one for one in function(changed, name).body if not isinstance(one, ast.Expr))
    assert isinstance(first, ast.Raise)
    assert changed.count("ReplacedByTheGate") == 1


@pytest.mark.parametrize("line", ["LIMIT = 3", "    size = 4", "def outer(a: int, b: int) -> int:"])
def test_what_runs_on_import_is_no_function(line: str) -> None:
    assert without_functions(SOURCE, line_of(line)) is None


def test_a_module_that_raises_keeps_what_must_stand_first(tmp_path: Path) -> None:
    """It raises before anything else of it runs, and what it raises is no `Exception`."""
    (tmp_path / "replaced.py").write_text(without_module(SOURCE) or "", encoding="utf-8")

    with pytest.raises(BaseException, match="replaced on purpose") as caught:
        runpy.run_path(str(tmp_path / "replaced.py"))
    assert not isinstance(caught.value, Exception)


def test_what_no_test_should_check_is_left_alone() -> None:
    """Log lines, the words of an error, annotations."""
    quiet = [
        *line_of('        logging.info("%s", a + 1)'),
        *line_of("        raise ValueError(a + b)"),
        *line_of("    print(a)"),
        *line_of("def outer(a: int, b: int) -> int:"),
    ]
    assert list(mutants(SOURCE, frozenset(quiet))) == []


def test_what_a_function_gives_comes_first() -> None:
    """Tests that check nothing else check this."""
    found = list(mutants(SOURCE, frozenset(range(1, LINES))))

    assert {one.what for one in found[:3]} == {"return None"}
    assert "return None" not in {one.what for one in found[3:]}


@given(lines=lines_of_source)
def test_a_mutant_is_another_program_on_its_line(lines: frozenset[int]) -> None:
    """It compiles, it differs, and it was made where it was asked for."""
    plain = ast.unparse(ast.parse(SOURCE))
    seen = set()
    for mutant in mutants(SOURCE, lines):
        compile(mutant.source, "mutant", "exec")
        assert mutant.source != plain
        assert mutant.line in lines
        seen.add(mutant.source)
    assert len(seen) == len(list(mutants(SOURCE, lines)))


@pytest.mark.parametrize("source", ["def f(:\n", "x = '\0'", ""])
def test_what_is_not_python_or_empty_has_no_mutants(source: str) -> None:
    assert list(mutants(source, frozenset({1}))) == []
    assert without_functions(source, frozenset({1})) is None
