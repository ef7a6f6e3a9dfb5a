"""Writes the module that a build would have written with a project's version, where the version is git's.

Such a file is in no repository, and the package cannot be imported without it. Which file it is stands in
pyproject.toml; what the build would say is not asked, as no build backend runs.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

_WRITERS: Final = (
    ("setuptools_scm", "version_file"),
    ("setuptools_scm", "write_to"),
    ("hatch", "build", "hooks", "vcs", "version-file"),
    ("pdm", "version", "write_to"),
    ("pdm", "build", "write_to"),
    ("versioningit", "write", "file"),
)
_MARK: Final = "# written in place of a build, for tests alone\n"
_HEAD: Final = f"{_MARK}# mypy: ignore-errors\n"


def write_version_files(project: Path, roots: tuple[Path, ...], version: str) -> tuple[Path, ...]:
    """Write the version modules that `project` asks its build for and does not have; give their paths.

    `project` is absolute, `roots` are its folders of code, `version` is what they say. Nothing outside of the
    project is written, and nothing that is there.
    """
    try:
        tool = tomllib.loads((project / "pyproject.toml").read_text("utf-8")).get("tool")
    except (OSError, ValueError):
        return ()
    parts = [int(part) for part in re.findall(r"\d+", version)]
    content = _HEAD + "".join(
        f"{names} = {value!r}\n"
        for names, value in (
            ("__version__ = version", version),
            ("__version_tuple__ = version_tuple", tuple(parts)),
            ("__commit_id__ = commit_id", None),
        )
    )
    written = []
    for named in (_value(tool, keys) for keys in _WRITERS):
        for target in _places(project, roots, named):
            if target.parent.is_dir() and not target.exists() and not target.is_symlink():
                target.write_text(content, encoding="utf-8")
                written.append(target)
    return tuple(written)


def is_written(path: Path) -> bool:
    """Say whether a file begins as those do that were written here; any file can claim that."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline() == _MARK
    except (OSError, ValueError):
        return False


def _value(table: Any, keys: tuple[str, ...]) -> str:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, str) else ""


def _places(project: Path, roots: tuple[Path, ...], named: str) -> list[Path]:
    """Give where a named module may lie: as it says, or in a folder of code; only within the project."""
    if not named.endswith(".py") or ".." in Path(named).parts:
        return []
    found = [(base / named) for base in dict.fromkeys((project, *roots))]
    inside = [one for one in found if one.resolve().is_relative_to(project.resolve())]
    return [one for one in inside if one.parent.is_dir()][:1]
