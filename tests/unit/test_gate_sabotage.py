"""Code that is broken on purpose: it stays Python, it says something else, and only where it was asked."""

import ast
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.sabotage import mutants, units, without_module

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
    (unit,) = units(SOURCE, line_of(line))

    assert unit.name == name
    first = next(one for one in function(unit.source, name).body if not isinstance(one, ast.Expr))
    assert isinstance(first, ast.Raise)
    assert unit.source.count("ReplacedByTheGate") == 1


def test_each_function_is_replaced_by_itself() -> None:
    """What the others do stays as it was."""
    found = list(units(SOURCE, frozenset(range(1, LINES + 1))))

    assert sorted(one.name for one in found) == ["grow", "inner", "notify", "outer"]
    assert all(one.source.count("ReplacedByTheGate") == 1 for one in found)


def test_a_lambda_is_replaced_where_it_stands() -> None:
    (unit,) = units("TABLE = [lambda a: a + 1]\n", frozenset({1}))

    assert unit.name == "lambda"
    assert "lambda a: (_ for _ in ()).throw(" in unit.source


@pytest.mark.parametrize("line", ["LIMIT = 3", "    size = 4", "def outer(a: int, b: int) -> int:"])
def test_what_runs_on_import_is_no_function(line: str) -> None:
    assert list(units(SOURCE, line_of(line))) == []


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


def test_what_any_look_at_a_result_notices_comes_last() -> None:
    """A test that only asks whether something came back notices nothing else."""
    found = list(mutants(SOURCE, frozenset(range(1, LINES + 1))))

    assert [one.weak for one in found] == sorted(one.weak for one in found)
    assert {one.what for one in found if one.weak} == {"return None"}


@pytest.mark.long_search
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
    assert list(units(source, frozenset({1}))) == []
