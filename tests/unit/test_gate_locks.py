"""Lock files of several tools say the same things in different words."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.locks import Lock, read_lock
from pev.gate.poetry import poetry_lines, specifier

POETRY = """\
[[package]]
name = "Requests"
version = "2.19.0"
[[package]]
name = "odd"
version = "1"
[package.source]
type = "git"
url = "https://example.invalid/odd"
[[package]]
name = "own"
version = "1"
[package.source]
type = "directory"
url = "libs/own"
[[package]]
name = "far"
version = "1"
[package.source]
type = "legacy"
url = "https://example.invalid/simple"
"""
PDM = '[[package]]\nname = "a"\nversion = "1"\n[[package]]\nname = "b"\nversion = "1"\npath = "../b.whl"\n'
PYLOCK = (
    '[[packages]]\nname = "a"\nversion = "1"\nindex = "https://packages.example.invalid/simple"\n'
    '[[packages]]\nname = "b"\nvcs = { url = "https://example.invalid/b" }\n'
)
PIPFILE = json.dumps(
    {"default": {"a": {"version": "==1", "index": "pypi"}}, "develop": {"b": {"git": "https://b.invalid"}}}
)


@pytest.mark.parametrize(
    ("name", "text", "lock"),
    [
        (
            "poetry.lock",
            POETRY,
            Lock(
                versions={"far": ("1",), "requests": ("2.19.0",)},
                direct=("odd @ git https://example.invalid/odd (locked)",),
                indexes=("poetry.lock registry https://example.invalid/simple",),
            ),
        ),
        ("pdm.lock", PDM, Lock(versions={"a": ("1",)}, direct=("b @ path ../b.whl (locked)",))),
        (
            "pylock.toml",
            PYLOCK,
            Lock(
                versions={"a": ("1",)},
                direct=("b @ vcs https://example.invalid/b (locked)",),
                indexes=("pylock.toml registry https://packages.example.invalid/simple",),
            ),
        ),
        (
            "Pipfile.lock",
            PIPFILE,
            Lock(versions={"a": ("1",)}, direct=("b @ git https://b.invalid (locked)",)),
        ),
    ],
)
def test_every_lock_gives_versions_and_origins(name: str, text: str, lock: Lock) -> None:
    assert read_lock(name, text.encode()) == lock


@pytest.mark.parametrize(
    ("source", "folder", "direct"),
    [
        ('{ editable = "." }', ".", False),
        ('{ virtual = "." }', ".", False),
        ('{ directory = "libs/a" }', ".", False),
        ('{ editable = "../shared" }', "apps/one", False),
        ('{ directory = "../../srv/eve/a" }', ".", True),
        ('{ editable = "../../../a" }', "apps/one", True),
        ('{ directory = "/srv/a" }', ".", True),
        ('{ virtual = "C:/a" }', ".", True),
    ],
)
def test_a_folder_outside_of_the_repository_is_direct(source: str, folder: str, direct: bool) -> None:
    """What lies inside is seen by the gate; what lies outside is whatever somebody puts there."""
    text = f'[[package]]\nname = "a"\nversion = "1"\nsource = {source}\n'

    assert bool(read_lock("uv.lock", text.encode(), folder).direct) is direct


@given(st.binary(max_size=200), st.sampled_from(["uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml"]))
def test_a_lock_that_cannot_be_read_is_a_value_error(raw: bytes, name: str) -> None:
    with suppress(ValueError):
        assert isinstance(read_lock(name, raw), Lock)


@pytest.mark.parametrize(("name", "version"), [("a\\n--index-url x", "1"), ("a", "1\\n-r x"), ("", "1")])
def test_a_name_or_a_version_that_is_none_is_refused(name: str, version: str) -> None:
    """They are handed to tools as lines of a file."""
    with pytest.raises(ValueError, match="nvalid"):
        read_lock("poetry.lock", f'[[package]]\nname = "{name}"\nversion = "{version}"\n'.encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["default", "develop", "version", "git", "a"]), inner, max_size=3
            )
        ),
    )
)
def test_a_lock_of_any_shape_is_read(value: object) -> None:
    """What an author writes never makes the gate stumble."""
    with suppress(ValueError):
        assert isinstance(read_lock("Pipfile.lock", json.dumps(value).encode()), Lock)


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0", ">=0.0,<0.1"),
        ("^2", ">=2,<3"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.*", "==1.2.*"),
        ("2.19.0", "==2.19.0"),
        (">=1, <2", ">=1,<2"),
        (">=1 <2", ">=1,<2"),
        ("*", ""),
        ("^1 || ^2", ""),
    ],
)
def test_constraints_of_poetry_are_written_as_others_do(constraint: str, said: str) -> None:
    assert specifier(constraint) == said


def test_groups_and_origins_of_poetry_are_read() -> None:
    table = {
        "dependencies": {"python": "^3.11", "requests": "2.19.0", "a": {"version": "^1", "extras": ["x"]}},
        "dev-dependencies": {"b": {"git": "https://example.invalid/b"}},
        "group": {"docs": {"dependencies": {"c": [{"version": "1", "markers": "os_name == 'nt'"}]}}},
    }

    assert list(poetry_lines(table)) == [
        (None, "requests==2.19.0"),
        (None, "a[x]>=1,<2"),
        ("dev", "b @ https://example.invalid/b"),
        ("docs", "c==1 ; os_name == 'nt'"),
    ]
