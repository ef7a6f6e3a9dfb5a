"""Files that take the place of others, lead out, or hide names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.findings import Effect
from pev.gate.disguise import find_disguises
from pev.gate.intruders import find_intruders, link_fault

PRESENT = {"src/app/__init__.py", "src/app/calc.py", "tests/test_calc.py", "tests/pkg/__init__.py"}


def rules(path: str, *more: str) -> list[tuple[str, Effect]]:
    return [
        (one.rule, one.effect)
        for one in find_intruders([path], {*PRESENT, path, *more}, ["pkgs/a", "pkgs/a/src"])
    ]


@pytest.mark.parametrize(
    "path",
    [
        "pytest.py",
        "mypy.pyi",
        "src/ruff.py",
        "tests/coverage.py",
        "sitecustomize.py",
        "pkgs/a/src/bandit.py",
        "tests/deep/pluggy.py",
        "_pytest.cpython-311.so",
    ],
)
def test_a_module_in_the_place_of_a_tool_blocks(path: str) -> None:
    assert rules(path) == [("shadows-tool", Effect.BLOCKS)]


def test_a_package_in_the_place_of_a_tool_blocks() -> None:
    assert rules("coverage/__init__.py") == [("shadows-tool", Effect.BLOCKS)]
    assert rules("coverage/html.py") == []


@pytest.mark.parametrize("path", ["json.py", "src/subprocess.py", "tests/types.py", "tests/deep/random.py"])
def test_a_module_in_the_place_of_pythons_own_is_held(path: str) -> None:
    assert rules(path) == [("shadows-standard-module", Effect.HOLDS)]


@pytest.mark.parametrize(
    "path",
    [
        "src/app/types.py",
        "src/app/pytest.py",
        "tests/pkg/json.py",
        "docs/random.py",
        "calc.py",
        "README.md",
        "test/__init__.py",
        "data/json.json",
        "src/app/coverage/__init__.py",
    ],
)
def test_a_module_inside_a_package_shadows_nothing(path: str) -> None:
    assert rules(path) == []


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (".venv/bin/ruff", "vendored-environment"),
        ("venv/lib/python3/site-packages/x.py", "vendored-environment"),
        ("node_modules/x/index.js", "vendored-environment"),
        ("tools/bin/pytest", "vendored-environment"),
        ("src/__pypackages__/x.py", "unseen-code"),
        ("build/lib/x.py", "unseen-code"),
    ],
)
def test_environments_and_hidden_code_are_found(path: str, rule: str) -> None:
    assert [one for one, _ in rules(path)] == [rule]


def test_a_folder_that_had_code_before_hides_nothing_new() -> None:
    assert rules("src/app/build/fresh.py", "src/app/build/old.py") == []


@pytest.mark.parametrize(
    ("path", "target", "faulty"),
    [
        ("a", "b", False),
        ("docs/a", "../README.md", False),
        ("a", "/etc/passwd", True),
        ("a", "../x", True),
        ("docs/a", "../../x", True),
        ("docs/a", "..", False),
        ("a", "b/../../x", True),
        ("a", ".git/config", True),
    ],
)
def test_a_link_stays_inside(path: str, target: str, faulty: bool) -> None:
    assert bool(link_fault(path, target)) is faulty


@pytest.mark.parametrize(
    "line",
    [
        'getattr(os, "sys" + "tem")("ls")',
        'importlib.import_module("sub" + "process")',
        '__import__("".join(["o", "s"]))',
        'call(cmd, **{"sh" + "ell": True})',
        "getattr(x, chr(101) + chr(118))",
        'getattr(x, base64.b64decode("eA==").decode())',
        'vars(x)["a" + "b"]()',
        'table["a" + "b"]()',
        'globals()["pytest_" + "plugins"] = ["swallow"]',
    ],
)
def test_a_name_made_of_constants_is_a_disguise(line: str) -> None:
    found = list(find_disguises(f"x = 1\n{line}\n"))

    assert [(one.line, one.certain) for one in found] == [(2, True)]


def test_running_what_was_decoded_is_held() -> None:
    (one,) = find_disguises("exec(base64.b64decode(DATA))\n")

    assert not one.certain


@pytest.mark.parametrize(
    "line",
    [
        'getattr(x, "name")',
        "getattr(x, name)",
        'getattr(x, f"on_{event}")',
        'getattr(x, prefix + "_handler")',
        "importlib.import_module(name)",
        'importlib.import_module(f"app.{name}")',
        "call(**options)",
        'call(**{"a": 1})',
        'table["a"]()',
        "table[key]()",
        "eval(text)",
    ],
)
def test_names_that_depend_on_something_are_no_disguise(line: str) -> None:
    assert list(find_disguises(line)) == []


@given(st.text(max_size=200))
def test_every_text_can_be_looked_at(text: str) -> None:
    assert all(one.line >= 1 for one in find_disguises(text))


def test_a_project_that_is_a_tool_itself_may_grow() -> None:
    """Its package hid the released one before the change too."""
    present = {"src/pluggy/__init__.py", "src/pluggy/_warnings.py"}

    assert not list(find_intruders(["src/pluggy/_warnings.py"], present, ["src"]))
    assert list(find_intruders(sorted(present), present, ["src"]))
