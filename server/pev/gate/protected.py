"""Which files are the gate's own ground: policy, configuration of tools, test harness, start-up hooks, CI.

They are read from the trusted ref. What the change does to them is compared by meaning elsewhere.
"""

from collections.abc import Collection
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from pev.gate.faces import is_config, manifest_of


class Ground(StrEnum):
    """What kind of protected file a path is."""

    POLICY = "policy"
    PYPROJECT = "pyproject"
    TOML = "toml"
    INI = "ini"
    SETUP = "setup"
    CONFTEST = "conftest"
    STARTUP = "start-up hook"
    METADATA = "package metadata"
    CACHE = "tool cache"
    CI = "ci"
    CONFIG = "tool configuration"
    MANIFEST = "package manifest"
    IGNORE = "ignore rules"
    SIGNERS = "allowed signers"
    NAMED = "named by policy"


_BY_NAME: Final = {
    "pev.toml": Ground.POLICY,
    "pyproject.toml": Ground.PYPROJECT,
    "ruff.toml": Ground.TOML,
    ".ruff.toml": Ground.TOML,
    "uv.toml": Ground.TOML,
    "pytest.toml": Ground.TOML,
    ".pytest.toml": Ground.TOML,
    ".coveragerc.toml": Ground.TOML,
    "mypy.ini": Ground.INI,
    ".mypy.ini": Ground.INI,
    "pytest.ini": Ground.INI,
    ".pytest.ini": Ground.INI,
    "tox.ini": Ground.INI,
    ".coveragerc": Ground.INI,
    ".bandit": Ground.INI,
    "bandit.yaml": Ground.CI,
    "bandit.yml": Ground.CI,
    "pip.conf": Ground.INI,
    "pyvenv.cfg": Ground.STARTUP,
    "setup.cfg": Ground.SETUP,
    "conftest.py": Ground.CONFTEST,
    "sitecustomize.py": Ground.STARTUP,
    "usercustomize.py": Ground.STARTUP,
    ".gitignore": Ground.IGNORE,
    ".ignore": Ground.IGNORE,
    "allowed_signers": Ground.SIGNERS,
    ".gitlab-ci.yml": Ground.CI,
    ".travis.yml": Ground.CI,
    "jenkinsfile": Ground.CI,
    "azure-pipelines.yml": Ground.CI,
    "bitbucket-pipelines.yml": Ground.CI,
    ".pre-commit-config.yaml": Ground.CI,
    "codecov.yml": Ground.CI,
    ".codecov.yml": Ground.CI,
}
_CI_FOLDERS: Final = (
    (".github", "workflows"),
    (".github", "actions"),
    (".circleci",),
    (".buildkite",),
    (".ci",),
)
_CACHES: Final = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
_STARTUP_FOLDERS: Final = {"sitecustomize", "usercustomize", "conftest"}


def ground_of(path: str, named: Collection[str] = ()) -> Ground | None:
    """Say which kind of protected file `path` is, or None. `named` are patterns that the policy adds."""
    pure = PurePosixPath(path)
    name = pure.name.lower()
    if (ground := _BY_NAME.get(name)) is not None:
        return ground
    folders = [part.lower() for part in pure.parts[:-1]]
    if pure.suffix == ".pth" or _STARTUP_FOLDERS.intersection(folders):
        return Ground.STARTUP
    if any(part.endswith((".egg-info", ".dist-info")) for part in folders):
        return Ground.METADATA
    if _CACHES.intersection(folders) or pure.suffix in (".pyc", ".pyo"):
        return Ground.CACHE
    if any(tuple(folders[: len(start)]) == start for start in _CI_FOLDERS):
        return Ground.CI
    if manifest_of(path) is not None:
        return Ground.MANIFEST
    if is_config(path):
        return Ground.CONFIG
    return Ground.NAMED if any(matches(path, pattern) for pattern in named) else None


def matches(path: str, pattern: str) -> bool:
    """Say whether a path fits a pattern: a folder (`docs/`), or a glob in which `*` spans folders too."""
    if pattern.endswith("/"):
        return path.startswith(pattern)
    return path == pattern or fnmatchcase(path, pattern)
