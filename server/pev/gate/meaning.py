"""Compares two versions of a protected file by what they mean, not by their text.

A change is *neutral* if no tool of the gate can tell the difference, *stricter* if the gate can only
demand more, and *looser* otherwise. When in doubt it is looser.
"""

import configparser
import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from pev.gate.face import Manifest
from pev.gate.protected import Ground
from pev.models import Model


class Meaning(StrEnum):
    """What a change of a protected file does to the gate."""

    NEUTRAL = "neutral"
    STRICTER = "stricter"
    LOOSER = "looser"


class Verdict(Model):
    """The meaning of a change, and the first keys that differ."""

    meaning: Meaning
    keys: tuple[str, ...] = ()


NEUTRAL: Final = Verdict(meaning=Meaning.NEUTRAL)
_MISSING: Final = object()
_MORE_IS_STRICTER: Final = {
    "tool.ruff.lint.select",
    "tool.ruff.lint.extend-select",
    "lint.select",
    "lint.extend-select",
}
_HIGHER_IS_STRICTER: Final = {
    "tool.coverage.report.fail_under",
    "coverage:report.fail_under",
    "report.fail_under",
}
_TRUE_IS_STRICTER: Final = {
    "strict",
    "disallow_untyped_defs",
    "disallow_incomplete_defs",
    "disallow_any_generics",
    "disallow_untyped_calls",
    "check_untyped_defs",
    "warn_return_any",
    "warn_unreachable",
    "warn_redundant_casts",
    "warn_unused_ignores",
    "no_implicit_reexport",
    "strict_equality",
}
_PACKAGING: Final = ("metadata", "options")
# what makes releases; no tool of the gate reads it, nor does it say how tests are run
_RELEASING: Final = (
    *("aliases", "bdist_wheel", "build_sphinx", "bumpversion", "check-manifest", "devpi:upload"),
    *("egg_info", "sdist", "upload", "upload_docs", "zest.releaser"),
)
_RELEASING_TABLES: Final = ("bumpver", "bumpversion", "commitizen", "semantic_release", "tbump", "towncrier")
# what poetry says of a package, and what `deps` reads; not its plugins, nor which packages there are
_POETRY: Final = {
    *("authors", "classifiers", "description", "documentation", "homepage", "keywords", "license"),
    *("maintainers", "readme", "repository", "urls", "version"),
    *("dependencies", "dev-dependencies", "extras", "group"),
}
_PYTHON: Final = "project.requires-python"
_LOWEST: Final = re.compile(r"(?:>=|~=|==)\s*([0-9][0-9.]*[0-9]|[0-9])")


def compare(
    ground: Ground, old: bytes | None, new: bytes | None, manifest: Manifest | None = None
) -> Verdict:
    """Compare two versions of a configuration file; None is a file that is not there.

    `manifest` reads the protected part of a file that declares a package too.
    """
    if old == new:
        return NEUTRAL
    if manifest is not None:
        was, now = ({} if raw is None else manifest.guarded(raw) for raw in (old, new))
        if was is None or now is None:
            return Verdict(meaning=Meaning.LOOSER, keys=("unreadable",))
        return _weigh(was, now)
    if ground is Ground.IGNORE:
        return NEUTRAL  # no tool of the gate reads ignore rules of the change
    read = {
        Ground.PYPROJECT: _pyproject,
        Ground.TOML: _toml,
        Ground.POLICY: _toml,
        Ground.INI: _ini,
        Ground.SETUP: _setup,
    }.get(ground)
    if read is None:
        return Verdict(meaning=Meaning.LOOSER)
    before, after = read(old), read(new)
    if before is None or after is None:
        return Verdict(meaning=Meaning.LOOSER, keys=("unreadable",))
    return _weigh(before, after)


def _weigh(before: Mapping[str, Any], after: Mapping[str, Any]) -> Verdict:
    keys = sorted(
        key for key in before.keys() | after.keys() if before.get(key, _MISSING) != after.get(key, _MISSING)
    )
    if not keys:
        return NEUTRAL
    looser = [key for key in keys if not _is_stricter(key, before.get(key), after.get(key))]
    if looser:
        return Verdict(meaning=Meaning.LOOSER, keys=tuple(looser[:5]))
    return Verdict(meaning=Meaning.STRICTER, keys=tuple(keys[:5]))


def _is_stricter(key: str, old: Any, new: Any) -> bool:
    """Say whether one changed key can only make the gate demand more."""
    if key in _MORE_IS_STRICTER:
        return isinstance(old, list) and isinstance(new, list) and set(map(str, old)) <= set(map(str, new))
    if key in _HIGHER_IS_STRICTER:
        return _number(new) is not None and (_number(old) or 0.0) <= (_number(new) or 0.0)
    if key == _PYTHON:
        return _lowest(old) is not None and (_lowest(new) or Version("0")) >= (_lowest(old) or Version("0"))
    if key.startswith(("tool.mypy.", "mypy.")) and key.rsplit(".", 1)[1] in _TRUE_IS_STRICTER:
        return str(new).lower() in ("true", "1", "yes", "on")
    return False


def _lowest(requires: Any) -> Version | None:
    """Give the oldest Python that a `requires-python` lets in, or None if it names none."""
    try:
        named = [Version(found) for found in _LOWEST.findall(str(requires))]
    except InvalidVersion:
        return None
    return max(named, default=None)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Give the leaves of nested tables by their dotted keys; lists are leaves."""
    if not isinstance(value, dict):
        return {prefix: value}
    out: dict[str, Any] = {}
    for key, inner in value.items():
        out |= flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    return out


def _load_toml(raw: bytes | None) -> dict[str, Any] | None:
    if raw is None:
        return {}
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None


def _toml(raw: bytes | None) -> dict[str, Any] | None:
    table = _load_toml(raw)
    return None if table is None else flatten(table)


def guarded_tables(table: Mapping[str, Any]) -> dict[str, Any]:
    """Give the part of a parsed pyproject.toml that is protected.

    That is `tool`, `build-system`, pytest plugins, and `requires-python`, from which ruff takes its target.
    """
    project = table.get("project")
    points = project.get("entry-points", {}) if isinstance(project, dict) else {}
    plugins = points.get("pytest11") if isinstance(points, dict) else None
    requires = project.get("requires-python") if isinstance(project, dict) else None
    out = {key: table[key] for key in ("tool", "build-system") if key in table}
    if isinstance(out.get("tool"), dict):
        tool = {key: value for key, value in out["tool"].items() if key not in _RELEASING_TABLES}
        if isinstance(poetry := tool.get("poetry"), dict):
            tool["poetry"] = {key: value for key, value in poetry.items() if key not in _POETRY}
        out["tool"] = tool
    own: dict[str, Any] = {"entry-points": {"pytest11": plugins}} if plugins else {}
    own |= {"requires-python": requires} if requires is not None else {}
    return out | ({"project": own} if own else {})


def _pyproject(raw: bytes | None) -> dict[str, Any] | None:
    table = _load_toml(raw)
    return None if table is None else flatten(guarded_tables(table))


def _ini(raw: bytes | None) -> dict[str, Any] | None:
    if raw is None:
        return {}
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(raw.decode("utf-8"))
    except (configparser.Error, UnicodeDecodeError):
        return None
    values = {f"{name}.{key}": value for name in parser.sections() for key, value in parser.items(name)}
    # an empty section still makes a file the one that a tool picks
    return values | {f"[{name}]": "" for name in parser.sections()}


def _setup(raw: bytes | None) -> dict[str, Any] | None:
    values = _ini(raw)
    if values is None:
        return None
    return {
        key: value
        for key, value in values.items()
        if "pytest11" in key + str(value) or not _is_of_packages(key.strip("[").rstrip("]"))
    }


def _is_of_packages(key: str) -> bool:
    """Say whether a section, or a key with its section before it, is of packaging or releasing alone."""
    if key.partition(".")[0] in _PACKAGING:
        return True
    return any(key == own or key.startswith((f"{own}.", f"{own}:")) for own in _RELEASING)
