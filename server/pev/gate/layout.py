"""Where a project keeps its code: the folders that Python must see, and what the project says of itself.

Read from the files of a checkout as data; no build backend is asked.
"""

import configparser
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from pev.gate.setup_script import described, points_of
from pev.models import Model

_NOT_CODE: Final = {
    "tests",
    "test",
    "testing",
    "docs",
    "doc",
    "examples",
    "benchmarks",
    "scripts",
    "build",
    "dist",
}
_VERSION: Final = re.compile(
    r"""^(?:__version__|version|VERSION)\s*(?::[^=]+)?=\s*["']([^"']+)["']""", re.MULTILINE
)


class Layout(Model):
    """A project as an installer would see it. Folders are absolute."""

    name: str
    version: str
    roots: tuple[Path, ...]
    packages: tuple[Path, ...]
    requires: tuple[str, ...] = ()
    scripts: dict[str, str] = Field(default_factory=dict)
    entry_points: dict[str, dict[str, str]] = Field(default_factory=dict)


def read_layout(project: Path) -> Layout:
    """Read the layout of the project in `project`, the absolute folder of its root."""
    table = _table(project / "pyproject.toml")
    own = _dict(table.get("project"))
    tool = _dict(table.get("tool"))
    poetry = _dict(tool.get("poetry"))
    setup = _setup_cfg(project)
    script = _setup_py(project)
    roots = _roots(project, tool, setup)
    packages = tuple(
        sorted({found for root in roots for found in _packages(root, is_project=root == project)})
    )
    names = (
        own.get("name"),
        poetry.get("name"),
        setup.get("metadata", "name", fallback=""),
        script.get("name"),
    )
    name = next((str(one) for one in names if one and isinstance(one, str)), "")
    points = _points(setup, script)
    points |= {key: _words(value) for key, value in _dict(own.get("entry-points")).items()}
    scripts = points.pop("console_scripts", {})
    return Layout(
        name=name,
        version=_version(project, own, tool, setup, script, packages),
        roots=roots,
        packages=packages,
        requires=tuple(line for line in own.get("dependencies") or () if isinstance(line, str)),
        scripts=scripts | _words(own.get("scripts")) | _words(poetry.get("scripts")),
        entry_points=points,
    )


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _setup_cfg(project: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string((project / "setup.cfg").read_text("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return configparser.RawConfigParser()
    return parser


def _setup_py(project: Path) -> dict[str, Any]:
    try:
        return described((project / "setup.py").read_bytes())
    except OSError:
        return {}


def _points(setup: configparser.RawConfigParser, script: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Give the entry points that setup.cfg and setup.py declare."""
    section = "options.entry_points"
    written = dict(setup.items(section)) if setup.has_section(section) else {}
    found = points_of(script.get("entry_points"))
    return found | points_of({group: lines.strip().splitlines() for group, lines in written.items()})


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> dict[str, str]:
    return {key: text for key, text in _dict(value).items() if isinstance(text, str)}


def _roots(project: Path, tool: Mapping[str, Any], setup: configparser.RawConfigParser) -> tuple[Path, ...]:
    """Give the folders for the module search path, as the build settings name them, else by custom."""
    named: list[str] = []
    setuptools = _dict(tool.get("setuptools"))
    named += [where for key, where in _words(setuptools.get("package-dir")).items() if key == ""]
    found = (
        _dict(_dict(setuptools.get("packages")).get("find"))
        if isinstance(setuptools.get("packages"), dict)
        else {}
    )
    named += [where for where in found.get("where") or () if isinstance(where, str)]
    wheel = _dict(_dict(_dict(_dict(tool.get("hatch")).get("build")).get("targets")).get("wheel"))
    named += [str(Path(path).parent) for path in wheel.get("packages") or () if isinstance(path, str)]
    named += [where for where in wheel.get("sources") or () if isinstance(where, str)]
    for one in _dict(tool.get("poetry")).get("packages") or ():
        named += [str(one["from"])] if isinstance(one, dict) and "from" in one else []
    for line in setup.get("options", "package_dir", fallback="").splitlines():
        key, _, where = line.partition("=")
        named += [where.strip()] if where.strip() and not key.strip() else []
    inside = [project / name for name in dict.fromkeys(named) if _stays_inside(project, name)]
    if inside:
        return tuple(inside)
    return (project / "src",) if _has_code(project / "src") else (project,)


def _stays_inside(project: Path, name: str) -> bool:
    target = (project / name).resolve()
    return target.is_relative_to(project.resolve()) and target.is_dir()


def _has_code(folder: Path) -> bool:
    return folder.is_dir() and not (folder / "__init__.py").exists() and any(folder.glob("*/*.py"))


def _packages(root: Path, *, is_project: bool) -> list[Path]:
    """Give the packages and modules of a root that are the project's own code."""
    if not root.is_dir():
        return []
    out = []
    for path in sorted(root.iterdir()):
        if path.name.startswith((".", "_")) or path.name.lower() in _NOT_CODE:
            continue
        if (
            path.is_dir()
            and ((path / "__init__.py").is_file() or (not is_project and any(path.glob("**/*.py"))))
        ) or (path.suffix == ".py" and path.name not in ("setup.py", "conftest.py", "noxfile.py")):
            out.append(path)
    return out


def _version(
    project: Path,
    own: Mapping[str, Any],
    tool: Mapping[str, Any],
    setup: configparser.RawConfigParser,
    script: Mapping[str, Any],
    packages: tuple[Path, ...],
) -> str:
    """Give the version that is written down somewhere; 0.0.0 if it comes from elsewhere."""
    for value in (own.get("version"), _dict(tool.get("poetry")).get("version"), script.get("version")):
        if isinstance(value, str):
            return value
    written = setup.get("metadata", "version", fallback="")
    if written and ":" not in written:
        return written
    named = _dict(_dict(tool.get("hatch")).get("version")).get("path")
    files = (
        [project / named]
        if isinstance(named, str) and _stays_inside(project, str(Path(named).parent))
        else []
    )
    for package in packages:
        files += [
            package / "__init__.py",
            package / "__about__.py",
            package / "_version.py",
            package / "version.py",
        ]
    for file in files:
        if file.is_file() and (found := _VERSION.search(file.read_text("utf-8", "replace"))):
            return found[1]
    return "0.0.0"
