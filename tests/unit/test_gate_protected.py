"""Protected files: which they are, and what a change of one means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.meaning import Meaning, compare
from pev.gate.protected import Ground, ground_of, matches

PYPROJECT = (
    '[project]\nname = "app"\nrequires-python = ">=3.10"\n'
    '\n[build-system]\nrequires = ["x"]\n\n[tool.ruff.lint]\nselect = ["E", "F"]\n'
    "\n[tool.coverage.report]\nfail_under = 80\n\n[tool.mypy]\nwarn_unreachable = false\n"
)


@pytest.mark.parametrize(
    ("path", "ground"),
    [
        ("pyproject.toml", Ground.PYPROJECT),
        ("deep/down/pyproject.toml", Ground.PYPROJECT),
        ("pev.toml", Ground.POLICY),
        ("src/.ruff.toml", Ground.TOML),
        ("uv.toml", Ground.TOML),
        ("mypy.ini", Ground.INI),
        ("tox.ini", Ground.INI),
        (".coveragerc", Ground.INI),
        (".bandit", Ground.INI),
        ("setup.cfg", Ground.SETUP),
        ("tests/unit/conftest.py", Ground.CONFTEST),
        ("src/sitecustomize.py", Ground.STARTUP),
        ("src/sitecustomize/__init__.py", Ground.STARTUP),
        ("evil.pth", Ground.STARTUP),
        ("src/app.egg-info/entry_points.txt", Ground.METADATA),
        ("app/__pycache__/calc.cpython-311.pyc", Ground.CACHE),
        (".mypy_cache/3.11/x.json", Ground.CACHE),
        (".github/workflows/ci.yml", Ground.CI),
        (".gitlab-ci.yml", Ground.CI),
        ("Jenkinsfile", Ground.CI),
        (".gitignore", Ground.IGNORE),
        ("src/app/calc.py", None),
        ("tests/test_conftest.py", None),
        ("docs/pyproject.md", None),
        ("github/workflows.py", None),
    ],
)
def test_the_gates_own_ground_is_known_at_every_depth(path: str, ground: Ground | None) -> None:
    assert ground_of(path) is ground


def test_a_policy_adds_patterns() -> None:
    named = ("infra/", "*.lock", "Makefile")

    assert {ground_of(p, named) for p in ("infra/a/b.tf", "x/uv.lock", "Makefile")} == {Ground.NAMED}
    assert ground_of("src/infra.py", named) is None
    assert matches("a/b.py", "a/*")
    assert not matches("ab.py", "a/")


def changed(old: str, new: str) -> bytes:
    assert old in PYPROJECT
    return PYPROJECT.replace(old, new).encode()


@pytest.mark.parametrize(
    ("new", "meaning"),
    [
        (changed('"app"', '"other"'), Meaning.NEUTRAL),
        (changed("[tool.mypy]", "# a comment\n[tool.mypy]"), Meaning.NEUTRAL),
        (changed('["E", "F"]', '[ "E","F" ]'), Meaning.NEUTRAL),
        (changed('["E", "F"]', '["E", "F", "B"]'), Meaning.STRICTER),
        (changed("fail_under = 80", "fail_under = 90"), Meaning.STRICTER),
        (changed("unreachable = false", "unreachable = true"), Meaning.STRICTER),
        (changed(">=3.10", ">=3.12,<4"), Meaning.STRICTER),
        (changed(">=3.10", ">=3.8"), Meaning.LOOSER),
        (changed(">=3.10", "<4"), Meaning.LOOSER),
        (changed(">=3.10", ">=x"), Meaning.LOOSER),
        (changed('requires-python = ">=3.10"\n', ""), Meaning.LOOSER),
        (changed('["E", "F"]', '["E"]'), Meaning.LOOSER),
        (changed("fail_under = 80", "fail_under = 70"), Meaning.LOOSER),
        (changed("[tool.mypy]", '[tool.ruff]\nexclude = ["src"]\n[tool.mypy]'), Meaning.LOOSER),
        (changed('requires = ["x"]', 'requires = ["y"]'), Meaning.LOOSER),
        (changed("[tool.mypy]", '[project.entry-points.pytest11]\na = "b"\n[tool.mypy]'), Meaning.LOOSER),
        (changed("[tool.mypy]", "[tool.mypy"), Meaning.LOOSER),
        (b"\xff\xfe", Meaning.LOOSER),
        (None, Meaning.LOOSER),
    ],
)
def test_a_change_of_pyproject_is_weighed_by_meaning(new: bytes | None, meaning: Meaning) -> None:
    assert compare(Ground.PYPROJECT, PYPROJECT.encode(), new).meaning is meaning


def test_the_keys_that_differ_are_named() -> None:
    verdict = compare(Ground.PYPROJECT, PYPROJECT.encode(), changed('["E", "F"]', "[]"))

    assert verdict.keys == ("tool.ruff.lint.select",)


@pytest.mark.parametrize(
    ("ground", "old", "new", "meaning"),
    [
        (Ground.INI, b"[mypy]\nstrict = true\n", b"[mypy]\nstrict=true\n; x\n", Meaning.NEUTRAL),
        (Ground.INI, b"[mypy]\nstrict = false\n", b"[mypy]\nstrict = true\n", Meaning.STRICTER),
        (Ground.INI, b"[report]\nfail_under = 80\n", b"[report]\nfail_under = 85\n", Meaning.STRICTER),
        (Ground.INI, b"[report]\nfail_under = 80\n", b"[report]\nfail_under = no\n", Meaning.LOOSER),
        (Ground.INI, None, b"[pytest]\n", Meaning.LOOSER),
        (Ground.INI, b"[mypy]\n", b"no ini at all", Meaning.LOOSER),
        (Ground.SETUP, b"[metadata]\nname = a\n", b"[metadata]\nname = b\n", Meaning.NEUTRAL),
        (Ground.SETUP, b"[metadata]\nname = a\n", b"[metadata]\nname = a\n[mypy]\nx = 1\n", Meaning.LOOSER),
        (
            Ground.SETUP,
            b"",
            b"[options.entry_points]\npytest11 =\n  evil = evil\n",
            Meaning.LOOSER,
        ),
        (Ground.TOML, b"line-length = 88\n", b"line-length = 88 # same\n", Meaning.NEUTRAL),
        (Ground.TOML, b"[lint]\nselect = ['E']\n", b"[lint]\nselect = ['E', 'F']\n", Meaning.STRICTER),
        (Ground.CI, b"a: 1\n", b"a: 1 \n", Meaning.LOOSER),
        (Ground.IGNORE, b"a\n", b"*\n", Meaning.NEUTRAL),
    ],
)
def test_other_configuration_is_weighed_too(
    ground: Ground, old: bytes | None, new: bytes | None, meaning: Meaning
) -> None:
    assert compare(ground, old, new).meaning is meaning


@given(st.sampled_from(list(Ground)), st.binary(max_size=200))
def test_a_file_means_what_it_means(ground: Ground, raw: bytes) -> None:
    assert compare(ground, raw, raw).meaning is Meaning.NEUTRAL


@given(st.sampled_from(list(Ground)), st.binary(max_size=200), st.binary(max_size=200))
def test_every_pair_of_files_is_weighed(ground: Ground, old: bytes, new: bytes) -> None:
    """What an author writes never makes the gate stumble."""
    assert compare(ground, old, new).meaning in Meaning


@pytest.mark.parametrize(
    ("old", "new", "meaning"),
    [
        ('version = "1"', 'version = "2"', Meaning.NEUTRAL),
        (
            "[tool.poetry.group.dev.dependencies]\na = 1",
            "[tool.poetry.group.dev.dependencies]\na = 2",
            Meaning.NEUTRAL,
        ),
        ('packages = [{include = "a"}]', 'packages = [{include = "b"}]', Meaning.LOOSER),
        ("", '[tool.poetry.plugins.pytest11]\na = "a"', Meaning.LOOSER),
    ],
)
def test_what_poetry_says_of_a_package_is_no_configuration(old: str, new: str, meaning: Meaning) -> None:
    """A release raises its number there; what steers tests and imports stands beside it."""
    before, after = (f"[tool.poetry]\nname = 'a'\n{text}\n".encode() for text in (old, new))

    assert compare(Ground.PYPROJECT, before, after).meaning is meaning


def test_tools_of_releasing_are_no_configuration() -> None:
    before, after = (f"[tool.bumpversion]\ncurrent_version = '{number}'\n".encode() for number in (1, 2))

    assert compare(Ground.PYPROJECT, before, after).meaning is Meaning.NEUTRAL
    assert (
        compare(Ground.SETUP, b"[bumpversion]\nv = 1\n", b"[bumpversion]\nv = 2\n").meaning is Meaning.NEUTRAL
    )
    assert compare(Ground.SETUP, b"[egg]\nv = 1\n", b"[egg]\nv = 2\n").meaning is Meaning.LOOSER
