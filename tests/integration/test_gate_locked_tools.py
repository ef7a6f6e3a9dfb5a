"""A repository that pins its tools is judged by those versions, and only its trusted ref says which."""

from pathlib import Path

import pytest

from pev.config import Config, load_config
from pev.findings import Outcome
from pev.gate.environment import Environments
from pev.gate.locked import LockedTools
from pev.gate.tools import version_of
from support.depots import depot_of, tree_of
from support.gates import GateFixture, rules_of
from support.repos import PYPROJECT, UserRepoFixture

HOOKS = """\
repos:
  - repo: https://example.com/astral-sh/ruff-pre-commit
    rev: v0.9.1
    hooks: [{id: ruff}]
"""
LOCK = 'version = 1\n[[package]]\nname = "ruff"\nversion = "0.9.2"\nsource = {{ registry = "{0}" }}\n'
# ruff formats what stands in an f-string since 0.9
OLD_STYLE = 'def named(name: str) -> str:\n    """Give it."""\n    return f"{ name }"\n'


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({}, None),
        ({"requirements-dev.txt": "ruff==0.9.0\n"}, "0.9.0"),
        ({"pyproject.toml": PYPROJECT + '\n[dependency-groups]\nlint = ["ruff==0.8.4"]\n'}, "0.8.4"),
        ({"uv.lock": LOCK.format("https://example.com/simple")}, "0.9.2"),
        ({".pre-commit-config.yaml": HOOKS}, "0.9.1"),
        ({".pre-commit-config.yaml": HOOKS, "requirements-dev.txt": "ruff==0.9.0\n"}, "0.9.0"),
        ({"requirements-dev.txt": "ruff==0.0.292\n"}, None),
        ({"requirements-dev.txt": f"ruff=={version_of('ruff')}\n"}, None),
        ({"requirements-dev.txt": "ruff==0.9.0\n", "requirements-test.txt": "ruff==0.9.1\n"}, None),
        ({"requirements-dev.txt": "ruff>=0.9\n"}, None),
    ],
    ids=[
        "nothing",
        "requirements",
        "group",
        "uv.lock",
        "hooks",
        "requirements before hooks",
        "too old to be driven",
        "ours",
        "two versions",
        "a range",
    ],
)
async def test_a_version_is_taken_from_where_it_is_pinned(
    user_repo: UserRepoFixture, tmp_path: Path, files: dict[str, str], version: str | None
) -> None:
    user_repo.commit("pins", files)
    depot = await depot_of(user_repo, tmp_path / "state")
    tools = LockedTools(depot, tree_of(user_repo), Environments(Config()))

    assert await tools.version("ruff", ".") == version


async def test_what_is_locked_and_cannot_be_had_is_no_pass(gate: GateFixture) -> None:
    """Another version would ask for another style, so none takes its place."""
    gate.on_base({"requirements-dev.txt": "ruff==0.9.99\n"})

    result = await gate.check("lint", {"src/app/more.py": "N = 1\n"})

    assert result.outcome is Outcome.INCONCLUSIVE
    assert "ruff==0.9.99" in result.reason


@pytest.mark.needs_host
@pytest.mark.needs_index
async def test_a_formatter_is_used_in_the_version_of_the_trusted_ref(user_repo: UserRepoFixture) -> None:
    """The change cannot choose another one for itself."""
    gate = GateFixture(user_repo, load_config())
    plain = await gate.check("format", {"src/app/named.py": OLD_STYLE})
    asked = await gate.check(
        "format", {"src/app/named.py": OLD_STYLE, "requirements-dev.txt": "ruff==0.8.6\n"}
    )
    gate.on_base({"requirements-dev.txt": "ruff==0.8.6\nmypy==1.15.0\n"})
    locked = await gate.check("format", {"src/app/named.py": OLD_STYLE})
    wrong = await gate.check("format", {"src/app/named.py": OLD_STYLE + "x = {  'a':1 }\n"})
    lint = await gate.check("lint", {"src/app/named.py": "import os\n"})
    types = await gate.check("types", {"src/app/named.py": "N: int = ''\n"})

    assert rules_of(plain) == rules_of(asked) == {"unformatted"}
    assert (locked.outcome, locked.tools["ruff"]) == (Outcome.PASSED, "0.8.6"), locked.reason
    assert [(one.rule, one.path) for one in wrong.findings] == [("unformatted", "src/app/named.py")]
    assert (rules_of(lint), lint.tools["ruff"]) == ({"F401"}, "0.8.6")
    assert (rules_of(types), types.tools["mypy"]) == ({"assignment"}, "1.15.0")


async def test_a_change_cannot_take_back_what_the_project_took_on(gate: GateFixture) -> None:
    """Only the trusted ref says whether a tool is used here."""
    bare = PYPROJECT.partition("[tool.")[0]
    gate.on_base({"pyproject.toml": bare, "Makefile": "lint:\n\truff check .\n"})
    sloppy = "import os\n\n\ndef f( ):\n  return 1\n"

    kept = await gate.check("format", {"src/app/more.py": sloppy})
    taken = await gate.check("format", {"src/app/more.py": sloppy, "Makefile": "all:\n"})

    assert (kept.outcome, taken.outcome) == (Outcome.FAILED, Outcome.FAILED), taken.reason
