"""The gate's own tools: where they are, which versions they have, and how they are started.

They come from the environment that PEV itself runs in, by absolute path, and Python tools are started in
isolated mode, so that nothing in a tree, in the working directory or in a variable can take their place.
"""

import functools
import importlib.metadata
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Final

from pev.errors import ToolMissing
from pev.sandbox.probe import interpreter_folders

DISTRIBUTION: Final = {
    "ruff": "ruff",
    "mypy": "mypy",
    "bandit": "bandit",
    "pip-audit": "pip-audit",
    "pytest": "pytest",
    "pytest-cov": "pytest-cov",
    "coverage": "coverage",
    "uv": "uv",
    "ast-grep-py": "ast-grep-py",
}
_SCRIPTS: Final = Path(__file__).with_name("inside")
_MODULES: Final = {"mypy": "mypy", "bandit": "bandit", "pip-audit": "pip_audit"}


@functools.cache
def version_of(tool: str) -> str:
    """Give the version of a tool of ours. Raises ToolMissing."""
    try:
        return importlib.metadata.version(DISTRIBUTION[tool])
    except importlib.metadata.PackageNotFoundError as exc:
        raise ToolMissing(
            f"{tool} is not installed in PEV's own environment",
            hint="Install pev-server again, with its dependencies.",
        ) from exc


async def tool_versions() -> dict[str, str]:
    """Give the versions of all tools of the gate. Raises ToolMissing."""
    return versions(*DISTRIBUTION)


def versions(*tools: str) -> dict[str, str]:
    """Give the versions of several tools, and of Python."""
    return {"python": platform.python_version(), **{tool: version_of(tool) for tool in tools}}


@functools.cache
def program(tool: str) -> str:
    """Give the absolute path of a tool that is a program of its own (ruff, uv). Raises ToolMissing."""
    version_of(tool)
    name = f"{tool}{sysconfig.get_config_var('EXE') or ''}"
    installed = importlib.metadata.distribution(DISTRIBUTION[tool])
    for file in installed.files or ():  # the record of what was installed, wherever the environment lies
        path = Path(str(installed.locate_file(file)))
        if file.name == name and file.parent.name in ("bin", "Scripts") and path.is_file():
            return str(path.resolve())
    raise ToolMissing(
        f"{tool} is not in {sysconfig.get_path('scripts')}",
        hint="Install pev-server again, with its dependencies.",
    )


def command(tool: str) -> tuple[str, ...]:
    """Give the start of the argument list that runs a tool. Raises ToolMissing."""
    version_of(tool)
    if tool in _MODULES:
        return (sys.executable, "-I", "-B", "-m", _MODULES[tool])
    return (program(tool),)


def own_folders() -> tuple[Path, ...]:
    """Give the folders that our tools, scripts and Python live in, for a sandbox to show read-only."""
    return (*interpreter_folders(), _SCRIPTS)
