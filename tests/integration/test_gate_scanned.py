"""What bandit said of a file stands as long as the file: only what changed is read again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pev.config import load_config
from pev.findings import CheckResult, Outcome
from pev.gate.workspace import Workspace
from pev.proc import Completed
from support.gates import GateFixture, rules_of
from support.repos import PYPROJECT

POLICY = {"pev.toml": 'checks = ["security"]\n'}
RISKY = "import subprocess\n\n\ndef run(what: str) -> int:\n    return subprocess.call(what, shell=True)\n"
LOADS = "import pickle\n\n\ndef load(raw: bytes) -> object:\n    return pickle.loads(raw)\n"
FINE = "def add(a: int, b: int) -> int:\n    return a + b\n"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What bandit was told to read, call by call; planted files apart."""
    calls: list[list[str]] = []
    real = Workspace.run

    async def noted(self: Workspace, argv: Sequence[str], **more: Any) -> Completed:
        words = list(argv)
        if "-ll" in words and not any("planted" in word for word in words):
            calls.append(words[words.index("-q") + 1 :])
        return await real(self, argv, **more)

    monkeypatch.setattr(Workspace, "run", noted)
    return calls


@pytest.fixture
def old(gate: GateFixture) -> GateFixture:
    """A project with an old finding."""
    gate.on_base({**POLICY, "src/app/risky.py": RISKY, "src/app/load.py": LOADS})
    return gate


async def check(gate: GateFixture, files: dict[str, str | None], **more: Any) -> CheckResult:
    return await gate.check("security", files, **more)


def said(result: CheckResult) -> list[tuple[str, str | None, int | None, str]]:
    return sorted((one.rule, one.path, one.line, str(one.age)) for one in result.findings)


async def test_only_what_changed_is_read_again_and_the_answer_is_the_same(
    old: GateFixture, read: list[list[str]], tmp_path: Path
) -> None:
    first = {
        "src/app/more.py": LOADS.replace("load(raw", "decode(text, raw").replace(
            "loads(raw)", "loads(raw + text)"
        )
    }
    second: dict[str, str | None] = {
        "src/app/risky.py": RISKY + "\n# more\n",
        "src/app/load.py": None,
        **first,
    }
    await check(old, dict(first))
    read.clear()
    result = await check(old, second)
    by_memory = [sorted(call) for call in read]
    fresh = GateFixture(old.repo, load_config(state_dir=tmp_path / "state"))
    whole = await check(fresh, second)

    assert ["./src/app/risky.py"] in by_memory
    assert not any("." in call for call in by_memory)
    assert said(result) == said(whole)
    assert rules_of(result) == {"B301"}


async def test_what_did_not_change_is_not_read_at_all(old: GateFixture, read: list[list[str]]) -> None:
    await check(old, {"README.md": "# one\n"})
    read.clear()
    result = await check(old, {"README.md": "# two\n"})

    assert read == []
    assert {one.rule for one in result.findings} == {"B602", "B301"}
    assert result.outcome is Outcome.PASSED


async def test_a_finding_that_comes_back_is_found(old: GateFixture) -> None:
    """The memory holds what a file said, and not what the path said last."""
    await check(old, {"src/app/new.py": LOADS})
    fine = await check(old, {"src/app/new.py": FINE})
    again = await check(old, {"src/app/new.py": LOADS})

    assert (rules_of(fine), rules_of(again)) == (set(), {"B301"})


async def test_another_configuration_begins_anew(old: GateFixture, read: list[list[str]]) -> None:
    await check(old, {"README.md": "# one\n"})
    config = PYPROJECT + '\n[tool.bandit]\nskips = ["B602"]\n'
    old.on_base({"pyproject.toml": config})
    read.clear()
    result = await check(old, {"README.md": "# two\n"})

    assert any("." in call for call in read)
    assert {one.rule for one in result.findings} == {"B301"}


async def test_what_is_excluded_stays_excluded(old: GateFixture, read: list[list[str]]) -> None:
    """Also by patterns that fit the path only as bandit writes it."""
    config = PYPROJECT + '\n[tool.bandit]\nexclude_dirs = ["src/app/gen*"]\n'
    policy = POLICY["pev.toml"] + '\n[check.security]\npaths = ["src"]\n'
    old.on_base({"pyproject.toml": config, "pev.toml": policy, "src/app/generated.py": RISKY})
    await check(old, {"README.md": "# one\n"})
    read.clear()
    result = await check(old, {"src/app/generated.py": RISKY + "\n# more\n", "src/app/more.py": FINE})

    assert sorted(read[0][2:]) == ["src/app/generated.py", "src/app/more.py"]
    assert "src/app/generated.py" not in {one.path for one in result.findings}


async def test_a_file_that_bandit_cannot_read_is_told_each_time(old: GateFixture) -> None:
    broken = {"src/app/broken.py": "def f(:\n"}
    first = await check(old, dict(broken))
    second = await check(old, {**broken, "README.md": "# two\n"})

    assert "unread" in rules_of(first)
    assert "unread" in rules_of(second)


async def test_where_bandit_has_settings_of_its_own_it_reads_all(
    old: GateFixture, read: list[list[str]]
) -> None:
    """They lie among the files, and bandit finds them only where it looks for files itself."""
    old.on_base({".bandit": "[bandit]\nskips = B602\n"})
    await check(old, {"README.md": "# one\n"})
    read.clear()
    result = await check(old, {"README.md": "# two\n"})

    assert any("." in call for call in read)
    assert {one.rule for one in result.findings} == {"B301"}
