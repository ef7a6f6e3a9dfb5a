"""The runner of tests: which test ran which line of a changed file, without slowing down all the others."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pev.gate import testrun

RUNNER = Path(testrun.__file__).with_name("inside") / "run_pytest.py"
CODE = "def one(n: int) -> int:\n    return n + 1\n\n\ndef two(n: int) -> int:\n    return n + 2\n"
TESTS = """\
import pytest
from changed import one, two
from other import other

@pytest.fixture(scope="module")
def made():
    return two(0)

def test_other():
    assert other() == 0

def test_one():
    assert one(1) == 2

def test_made(made):
    assert made == 2

def test_late():
    assert one(2) == 3 and other() == 0
"""


def run(folder: Path, label: str, *, branch: bool, reached: list[str]) -> dict[str, Any]:
    """Run the tests as the gate does, and give what coverage reports with its contexts."""
    (folder / "pyproject.toml").write_text(f"[tool.coverage.run]\nbranch = {str(branch).lower()}\n", "utf-8")
    env = {**os.environ, "COVERAGE_FILE": str(folder / f"{label}.data"), "PEV_REACHED": json.dumps(reached)}
    argv = [sys.executable, "-P", "-B", str(RUNNER), str(folder / f"{label}.jsonl"), f"--cov={folder}"]
    argv += ["--cov-report=", "-p", "no:cacheprovider", "-q", str(folder / "test_it.py")]
    env["PYTHONPATH"] = str(folder)
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = folder / f"{label}.json"
    argv = [sys.executable, "-m", "coverage", "json", "-q", "--show-contexts", "-o", str(told)]
    subprocess.run(argv, cwd=folder, env=env, check=True)
    files: dict[str, Any] = json.loads(told.read_text("utf-8"))["files"]
    return files


@pytest.mark.parametrize("branch", [False, True])
def test_tests_are_remembered_for_the_changed_file_and_coverage_stays_the_same(
    tmp_path: Path, branch: bool
) -> None:
    (tmp_path / "changed.py").write_text(CODE, "utf-8")
    (tmp_path / "other.py").write_text("def other() -> int:\n    return 0\n", "utf-8")
    (tmp_path / "test_it.py").write_text(TESTS, "utf-8")

    plain = run(tmp_path, "plain", branch=branch, reached=[])
    asked = run(tmp_path, "asked", branch=branch, reached=[str(tmp_path / "changed.py")])

    for name in ("changed.py", "other.py"):
        assert asked[name]["executed_lines"] == plain[name]["executed_lines"]
        assert asked[name].get("executed_branches") == plain[name].get("executed_branches")
    lines = asked["changed.py"]["contexts"]
    assert set(lines["2"]) == {"test_it.py::test_one|run", "test_it.py::test_late|run"}
    assert set(lines["6"]) == {"test_it.py::test_made|run"}
    assert lines["1"] == [""]  # imported, by no test
