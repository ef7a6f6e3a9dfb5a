"""Real git repositories for tests, made with the real git."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PYPROJECT: Final = """\
[project]
name = "app"
version = "1.0.0"
requires-python = ">=3.10"
dependencies = []

[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[tool.ruff.lint]
select = ["E", "F", "W", "I"]

[tool.mypy]
strict = true
mypy_path = "src"

[tool.pytest.ini_options]
pythonpath = ["src"]
testpaths = ["tests"]

[tool.coverage.run]
source = ["app"]
"""
CALC: Final = '''\
"""Small arithmetic."""


def add(a: int, b: int) -> int:
    return a + b


def divide(a: int, b: int) -> float:
    if b == 0:
        raise ValueError("division by zero")
    return a / b
'''
# without pytest's own name: a type check that has to read it takes twice as long
TEST_CALC: Final = """\
from app.calc import add, divide


def test_add() -> None:
    assert add(2, 3) == 5


def test_divide() -> None:
    assert divide(7, 2) == 3.5


def test_divide_by_zero() -> None:
    try:
        divide(1, 0)
    except ValueError as exc:
        assert "by zero" in str(exc)
    else:
        raise AssertionError("it divided")
"""
PROJECT: Final = {
    "pyproject.toml": PYPROJECT,
    "README.md": "# app\n",
    ".gitignore": "__pycache__/\n.venv/\n.coverage\n",
    "src/app/__init__.py": '"""A tiny application."""\n',
    "src/app/calc.py": CALC,
    "tests/test_calc.py": TEST_CALC,
}


@dataclass(frozen=True)
class UserRepoFixture:
    """A repository as a user would have it."""

    path: Path

    @classmethod
    def empty(cls, path: Path) -> "UserRepoFixture":
        """Make a repository without any commit, on branch `main`."""
        path.mkdir(parents=True)
        repo = cls(path)
        repo.git("init", "-q", "-b", "main")
        return repo

    @classmethod
    def python_project(cls, path: Path) -> "UserRepoFixture":
        """Make a small Python project with passing tests and one commit."""
        repo = cls.empty(path)
        repo.commit("first", PROJECT)
        return repo

    def copied(self, path: Path) -> "UserRepoFixture":
        """Copy the repository, with its folder, and let git look at the files anew."""
        shutil.copytree(self.path, path, symlinks=True)
        repo = UserRepoFixture(path)
        repo.git("update-index", "-q", "--refresh")
        return repo

    def git(self, *args: str) -> str:
        """Run git in the repository and give what it printed, stripped."""
        done = subprocess.run(["git", *args], cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        """Write files of the working tree, given by their relative paths."""
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def commit(self, message: str, files: dict[str, str] | None = None) -> str:
        """Write files, commit everything, and give the commit's id."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")
