"""What mypy knows of the standard library is kept between gates; nothing of a repository is."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pev.config import load_config
from pev.findings import Outcome
from pev.gate.tools import command
from support.gates import GateFixture, rules_of
from support.repos import PYPROJECT, UserRepoFixture

POLICY = {"pev.toml": 'checks = ["types"]\n'}
READS = "import json\n\nTEXT: str = json.dumps({})\n"


@pytest.fixture
def own(user_repo: UserRepoFixture, tmp_path: Path) -> GateFixture:
    """A gate that shares its cache with no other test."""
    gate = GateFixture(user_repo, load_config(cache_dir=tmp_path / "cache"))
    gate.on_base(POLICY)
    return gate


def kept(gate: GateFixture) -> list[Path]:
    return sorted((gate.config.cache_dir / "kept").glob("*"))


async def test_the_standard_library_is_read_once(own: GateFixture, tmp_path: Path) -> None:
    """For all changes, as long as the configuration is the same."""
    first = await own.check("types", {"src/app/reads.py": READS})
    (one,) = kept(own)
    before = {path: path.stat().st_mtime_ns for path in one.rglob("*.db")}
    second = await own.check("types", {"src/app/reads.py": READS.replace("{}", "[]")})

    assert (first.outcome, second.outcome) == (Outcome.PASSED, Outcome.PASSED)
    assert {path: path.stat().st_mtime_ns for path in one.rglob("*.db")} == before
    assert before
    shutil.copytree(one, tmp_path / "copy")
    (tmp_path / "new.py").write_text(READS)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    argv = [*command("mypy"), "-v", "--cache-dir", "copy", "--config-file", "pyproject.toml", "new.py"]
    said = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Metadata fresh for builtins" in said.stderr
    assert "Metadata fresh for json" in said.stderr


async def test_another_configuration_is_known_apart(own: GateFixture) -> None:
    await own.check("types", {"src/app/reads.py": READS})
    own.on_base({"pyproject.toml": PYPROJECT.replace("[tool.mypy]", "[tool.mypy]\nwarn_unreachable = true")})
    await own.check("types", {"src/app/reads.py": READS})

    assert len(kept(own)) == 2


async def test_nothing_of_a_repository_is_kept_for_another(own: GateFixture, tmp_path: Path) -> None:
    """A repository may stand its own files before the standard library's; the next one must not get them."""
    config = {"pyproject.toml": PYPROJECT.replace('mypy_path = "src"', 'mypy_path = "src:stubs"')}
    stub = "def dumps(value: object) -> str: ...\ndef anything() -> str: ...\n"
    wrong = READS.replace("dumps({})", "anything()")
    other = GateFixture(UserRepoFixture.python_project(tmp_path / "other"), own.config)
    other.on_base({**POLICY, **config})
    own.on_base({**config, "stubs/json.pyi": stub})

    hides = await own.check("types", {"src/app/reads.py": wrong, "common.py": "ATTACK = 1\n"})
    found = await other.check("types", {"src/app/reads.py": wrong})

    assert hides.outcome is Outcome.PASSED, "the stub was not used: this test would show nothing"
    assert rules_of(found) == {"attr-defined"}
    assert len(kept(own)) == 1


async def test_where_mypy_has_plugins_nothing_is_kept(own: GateFixture) -> None:
    """They are code."""
    plugin = (
        "from mypy.plugin import Plugin\n\n\ndef plugin(version: str) -> type[Plugin]:\n    return Plugin\n"
    )
    config = PYPROJECT.replace("[tool.mypy]", '[tool.mypy]\nplugins = ["./plug.py"]')
    own.on_base({"plug.py": plugin, "pyproject.toml": config})
    result = await own.check("types", {"src/app/reads.py": READS})

    assert result.outcome is Outcome.PASSED, result.reason
    assert kept(own) == []


async def test_a_configuration_that_mypy_refuses_costs_one_try(own: GateFixture) -> None:
    own.on_base({"pyproject.toml": PYPROJECT.replace("[tool.mypy]", '[tool.mypy]\npython_version = "2.7"')})
    await own.check("types", {"src/app/reads.py": READS})
    found = kept(own)
    await own.check("types", {"src/app/reads.py": READS + "\n"})

    assert kept(own) == found
    assert len(found) == 1
