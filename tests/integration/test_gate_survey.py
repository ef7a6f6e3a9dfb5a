"""What a change keeps out of the sight of the checks holds it; the check `integrity` says so."""

import json

import pytest

from pev.findings import Effect, Outcome
from support.gates import GateFixture, plan_for, rules_of

STUB = "def add(a: int, b: int) -> int: ...\n"


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ({"src/app/calc.pyi": STUB}, "stub-for-code"),
        ({"src/json/__init__.pyi": STUB}, "stub-for-code"),
        ({"Dockerfile": "FROM python:3.12\nRUN pip install requests\n"}, "unaudited-install"),
        ({"plugins/web/pyproject.toml": '[project]\nname = "web"\nversion = "1"\n'}, "unnamed-project"),
        ({"setup.py": "import os\n\nos.system('true')\n"}, "setup-script"),
        ({"environment.yml": "dependencies: [requests]\n"}, "unread-declaration"),
        ({"src/app/more.py": 'from typing import Any, cast\n\nN: int = cast(Any, "1")\n'}, "type-cast"),
        ({"src/app/big.py": "# " + "x" * (2**24) + "\n"}, "too-large"),
    ],
    ids=["stub", "foreign stub", "docker", "project", "setup", "conda", "cast", "large"],
)
async def test_what_is_out_of_sight_holds(gate: GateFixture, files: dict[str, str], rule: str) -> None:
    result = await gate.check("integrity", files)

    assert result.outcome is Outcome.HELD
    assert rules_of(result) == {rule}


async def test_a_suppression_in_a_notebook_is_counted(gate: GateFixture) -> None:
    """ruff reads notebooks, and honours what they say."""

    def book(*lines: str) -> str:
        cell = {"cell_type": "code", "source": list(lines), "metadata": {}, "outputs": []}
        return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    gate.on_base({"old.ipynb": book("import re  # noqa: F401\n")})

    new = await gate.check("integrity", {"a.ipynb": book("import os  # noqa: F401\n")})
    old = await gate.check("integrity", {"old.ipynb": book("import re  # noqa: F401\n", "print(1)\n")})

    assert (rules_of(new), rules_of(old)) == ({"new-noqa"}, set())


async def test_machine_code_holds_and_a_picture_passes(gate: GateFixture) -> None:
    gate.repo.git("checkout", "-q", "-B", "task", "main")
    (gate.repo.path / "src/app/fast.so").write_bytes(b"\x7fELF\2\1\1" + bytes(99))
    (gate.repo.path / "shelf.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    gate.repo.git("add", "-A")
    commit = gate.repo.commit("binaries", {})

    result = await gate.gate.check_one(await gate.request(commit), "integrity")

    assert [(one.rule, one.path, one.effect) for one in result.findings] == [
        ("opaque", "src/app/fast.so", Effect.HOLDS)
    ]


async def test_an_approved_plan_names_files_but_not_casts(gate: GateFixture) -> None:
    cast = 'from typing import Any, cast\n\nN: int = cast(Any, "1")\n'
    files = {"src/app/calc.pyi": STUB, "src/app/more.py": cast}

    result = await gate.check("integrity", files, plan=plan_for(*files))

    held = {one.rule for one in result.findings if one.effect is Effect.HOLDS}
    assert held == {"type-cast"}


@pytest.mark.parametrize(
    "files",
    [
        {"setup.py": 'from setuptools import setup\n\nsetup(name="app", version="1.0")\n'},
        {"tests/data/plugin/pyproject.toml": '[project]\nname = "web"\nversion = "1"\n'},
        {"Dockerfile": "FROM python:3.12\nRUN pip install -r requirements.txt\n"},
        {"src/app/more.py": "from typing import Any\n\n\ndef f(x: Any) -> Any:\n    return x\n"},
    ],
    ids=["plain setup", "test data", "audited list", "Any in new code"],
)
async def test_honest_additions_pass(gate: GateFixture, files: dict[str, str]) -> None:
    result = await gate.check("integrity", files)

    assert result.outcome is Outcome.PASSED, result.reason


async def test_a_byte_that_is_no_text_hides_no_credential(gate: GateFixture) -> None:
    """A program reads past a NUL, so the search for credentials does too."""
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    gate.repo.git("checkout", "-q", "-B", "task", "main")
    (gate.repo.path / "settings.bin").write_bytes(b"\0" + f"token {token}\n".encode())
    gate.repo.git("add", "-A")
    commit = gate.repo.commit("settings", {})

    result = await gate.gate.check_one(await gate.request(commit), "integrity")

    assert "secret" in rules_of(result), result.findings
    assert token not in str(result.findings)
