"""What a project declares that it needs, read from its files as data; nothing of it is run.

Sources: `[project]` dependencies and extras, `[dependency-groups]`, the tables of Poetry, PDM and uv,
requirements files (with what they include), `setup.cfg`, and `uv.lock`; for an audit also `setup.py`, the
heads of scripts (PEP 723), and lock files of other tools.
"""

import configparser
import re
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from pydantic import Field

from pev.gate.demands import EnvironmentSettings
from pev.gate.locks import OTHERS, WHOLE, Lock, read_lock
from pev.gate.poetry import poetry_lines
from pev.gate.setup_script import required
from pev.gate.syntax import grow_requirement
from pev.models import Model

_Wants = Callable[[str], bool]
ReadFile = Callable[[str], Awaitable[bytes | None]]
TEST_NAMES: Final = ("test", "tests", "testing", "dev", "typing", "types")
REQUIREMENT_FILES: Final = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_dev.txt",
    "requirements_test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/base.txt",
    "requirements/main.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "tests/requirements.txt",
    "test/requirements.txt",
    "testing/requirements.txt",
)
_TEST_FILES: Final = tuple(name for name in REQUIREMENT_FILES if "dev" not in name)
NARROWER: Final = (
    (tuple(name for name in TEST_NAMES if name != "dev"), (*_TEST_FILES, "requirements/typing.txt")),
    (("test", "tests", "testing"), _TEST_FILES),
)
"""Names of groups and extras, and files, without what is for development, and of what is for tests alone."""
_OPTION: Final = re.compile(r"^(--?[A-Za-z-]+)(?:[= ]+(.*))?$")
_INDEX_OPTIONS: Final = {
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--no-index",
    "--trusted-host",
}
_HASH: Final = re.compile(r"\s--hash[= ]\S+")
# the form that PEP 723 gives
_HEAD: Final = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


class Declared(Model):
    """Requirements of one project.

    `wanted` are PEP 508 lines, `direct` those that name a URL, a VCS or a path; `indexes` are settings that
    point at another package index; `locked` maps names in lock files to versions. `where` says in which file
    each line stood, `faults` what could not be read; `locks` are the lock files that there are.
    """

    wanted: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    locked: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    where: dict[str, str] = Field(default_factory=dict)
    faults: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()

    @property
    def has_lock(self) -> bool:
        """Whether a lock file of the project names everything that is installed."""
        return not WHOLE.isdisjoint(self.locks)

    def names(self) -> set[str]:
        """Give the canonical names of everything that is wanted."""
        return {canonicalize_name(grow_requirement(line).name) for line in self.wanted}


class _Collector:
    """Gathers lines, each once, in order."""

    def __init__(self) -> None:
        self.wanted: dict[str, None] = {}
        self.constraints: dict[str, None] = {}
        self.direct: dict[str, None] = {}
        self.indexes: dict[str, None] = {}
        self.faults: list[str] = []
        self.where: dict[str, str] = {}

    def add(self, line: str, file: str, *, constraint: bool = False) -> None:
        """Take one requirement in; what is not PEP 508 is a direct reference or a fault."""
        if re.search(r"\.(whl|zip|tar\.gz)$", line) and "@" not in line:
            self.add_odd(line, file)
            return
        try:
            one = grow_requirement(line)
        except InvalidRequirement:
            self.add_odd(line, file)
            return
        self.where.setdefault(str(one), file)
        if one.url:
            self.direct[str(one)] = None
        elif constraint:
            self.constraints[str(one)] = None
        else:
            self.wanted[str(one)] = None

    def note(self, kind: dict[str, None], line: str, file: str) -> None:
        """Take in a line of some kind as it is."""
        kind[line] = None
        self.where.setdefault(line, file)

    def add_odd(self, line: str, file: str) -> None:
        """Take in what names a URL, a VCS or a path; anything else is a fault."""
        self.where.setdefault(line, file)
        if re.match(r"^(git|hg|svn|bzr)\+|^https?://|^file:|^\.{0,2}/|^\.$|.*\.(whl|zip|tar\.gz)$", line):
            self.direct[line] = None
        else:
            self.faults.append(f"{file}: {line!r} is not a requirement")


async def read_declared(
    read: ReadFile, root: str, settings: EnvironmentSettings | None, *, shared_lock: bool = True
) -> Declared:
    """Read what a project declares.

    With `settings` only what its environment takes: its own requirements, and the groups, extras and files
    that are named or usual for tests. Without, everything that stands anywhere. A project without a uv.lock
    has that of the repository, where `shared_lock` says so.
    """
    got = _Collector()
    prefix = PurePosixPath(root)
    table = await _read_toml(read, (prefix / "pyproject.toml").as_posix(), got)
    _from_project(table, settings, got, (prefix / "pyproject.toml").as_posix())

    def wants(extra: str) -> bool:
        return _chosen(extra, settings.extras if settings else None, everything=settings is None)

    await _from_setup_cfg(read, prefix, got, wants, everything=settings is None)
    await _from_setup_py(read, (prefix / "setup.py").as_posix(), got, None if settings is None else wants)
    files: Iterable[str] = REQUIREMENT_FILES
    if settings is not None and settings.requirements is not None:
        files = settings.requirements
    for name in files:
        await _from_file(read, (prefix / name).as_posix(), got, set())
    lock = await _read_lock(read, prefix, "uv.lock", got)
    if lock is None and root != "." and shared_lock:
        lock = await _read_lock(read, PurePosixPath(), "uv.lock", got)
    found = {"uv.lock": lock}
    for name in OTHERS if settings is None else sorted(WHOLE.intersection(OTHERS)):
        found[name] = await _read_lock(read, prefix, name, got)
    locked: dict[str, tuple[str, ...]] = {}
    for one in found.values():
        for package, versions in one.versions.items() if one is not None else ():
            locked[package] = tuple(sorted({*versions, *locked.get(package, ())}))
    locks = tuple(name for name, one in found.items() if one is not None)
    return _declared(got, _own_name(table), locked, locks)


async def read_requirements(read: ReadFile, path: str) -> Declared:
    """Read a single requirements file, with what it includes."""
    got = _Collector()
    await _from_file(read, path, got, set())
    return _declared(got, "", {})


def read_script(text: str, path: str) -> Declared:
    """Read what the head of a script declares."""
    got = _Collector()
    for found in _HEAD.finditer(text):
        content = "".join(
            line[2:] if line.startswith("# ") else line[1:] for line in found["content"].splitlines(True)
        )
        try:
            table = tomllib.loads(content)
        except tomllib.TOMLDecodeError as exc:
            got.faults.append(f"{path}: {exc}")
            continue
        head = {"project": {"dependencies": table.get("dependencies")}, "tool": table.get("tool")}
        _from_project(head, None, got, path)
    return _declared(got, "", {})


def _declared(
    got: _Collector, own: str, locked: dict[str, tuple[str, ...]], locks: tuple[str, ...] = ()
) -> Declared:
    return Declared(
        wanted=tuple(line for line in got.wanted if canonicalize_name(grow_requirement(line).name) != own),
        constraints=tuple(got.constraints),
        direct=tuple(got.direct),
        indexes=tuple(got.indexes),
        locked=locked,
        where=got.where,
        faults=tuple(got.faults),
        locks=locks,
    )


def _own_name(table: Mapping[str, Any]) -> str:
    project = table.get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return canonicalize_name(name) if isinstance(name, str) else ""


async def _read_toml(read: ReadFile, path: str, got: _Collector) -> dict[str, Any]:
    raw = await read(path)
    if raw is None:
        return {}
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        got.faults.append(f"{path}: {exc}")
        return {}


def _from_project(
    table: Mapping[str, Any], settings: EnvironmentSettings | None, got: _Collector, file: str
) -> None:
    project = table.get("project")
    project = project if isinstance(project, dict) else {}
    for line in _strings(project.get("dependencies")):
        got.add(line, file)
    extras = project.get("optional-dependencies")
    for name, lines in (extras if isinstance(extras, dict) else {}).items():
        if _chosen(name, settings.extras if settings else None, everything=settings is None):
            for line in _strings(lines):
                got.add(line, file)
    groups = table.get("dependency-groups")
    groups = groups if isinstance(groups, dict) else {}
    for name in groups:
        if _chosen(name, settings.groups if settings else None, everything=settings is None):
            for line in _group(groups, name, set()):
                got.add(line, file)
    tool = table.get("tool")
    _from_tools(tool if isinstance(tool, dict) else {}, settings, got, file)


def _from_tools(
    tool: Mapping[str, Any], settings: EnvironmentSettings | None, got: _Collector, file: str
) -> None:
    groups = settings.groups if settings else None
    if isinstance(uv := tool.get("uv"), dict):
        _from_uv(uv, got, file)
    if isinstance(poetry := tool.get("poetry"), dict):
        for group, line in poetry_lines(poetry):
            if group is None or _chosen(group, groups, everything=settings is None):
                got.add(line, file)
    pdm = tool.get("pdm")
    own = pdm.get("dev-dependencies") if isinstance(pdm, dict) else None
    for name, lines in (own if isinstance(own, dict) else {}).items():
        for line in _strings(lines) if _chosen(name, groups, everything=settings is None) else ():
            got.add(line, file)


def _from_uv(uv: Mapping[str, Any], got: _Collector, file: str) -> None:
    for line in _strings(uv.get("dev-dependencies")):
        got.add(line, file)
    for line in _strings(uv.get("constraint-dependencies")):
        got.add(line, file, constraint=True)
    for key in ("index", "index-url", "extra-index-url", "find-links", "no-index"):
        if uv.get(key):
            got.indexes[f"tool.uv.{key}"] = None
            got.where[f"tool.uv.{key}"] = file
    sources = uv.get("sources")
    for name, source in (sources if isinstance(sources, dict) else {}).items():
        if isinstance(source, dict) and not source.get("workspace"):
            got.direct[f"{name} @ tool.uv.sources"] = None
            got.where[f"{name} @ tool.uv.sources"] = file


def _chosen(name: str, named: tuple[str, ...] | None, *, everything: bool) -> bool:
    if everything:
        return True
    return canonicalize_name(name) in {
        canonicalize_name(one) for one in (TEST_NAMES if named is None else named)
    }


def _group(groups: Mapping[str, Any], name: str, seen: set[str]) -> list[str]:
    """Give the lines of a dependency group, included groups opened (PEP 735)."""
    own = {canonicalize_name(key): value for key, value in groups.items()}
    key = canonicalize_name(name)
    if key in seen or not isinstance(own.get(key), list):
        return []
    out: list[str] = []
    for item in own[key]:
        if isinstance(item, str):
            out.append(item)
        elif isinstance(item, dict) and isinstance(item.get("include-group"), str):
            out += _group(groups, item["include-group"], seen | {key})
    return out


async def _read_lock(read: ReadFile, prefix: PurePosixPath, name: str, got: _Collector) -> Lock | None:
    """Read a lock file and note from where it takes packages; None where there is none that can be read."""
    path = (prefix / name).as_posix()
    raw = await read(path)
    if raw is None:
        return None
    try:
        lock = read_lock(name, raw, prefix.as_posix())
    except (ValueError, RecursionError) as exc:
        got.faults.append(f"{path}: {exc}")
        return None
    got.where |= {f"{package} (locked)": path for package in lock.versions}
    for line in lock.direct:
        got.note(got.direct, line, path)
    for line in lock.indexes:
        got.note(got.indexes, line, path)
    return lock


async def _from_setup_py(read: ReadFile, path: str, got: _Collector, wants: _Wants | None) -> None:
    for line in required(await read(path) or b"", wants):
        got.add(line, path)


async def _from_setup_cfg(
    read: ReadFile, prefix: PurePosixPath, got: _Collector, wants: _Wants, *, everything: bool
) -> None:
    path = (prefix / "setup.cfg").as_posix()
    raw = await read(path)
    if raw is None:
        return
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(raw.decode("utf-8", "replace"))
    except configparser.Error as exc:
        got.faults.append(f"{path}: {exc.message.splitlines()[0]}")
        return
    wanted = [("options", "install_requires"), ("options", "tests_require")]
    extras = "options.extras_require"
    named = parser.options(extras) if parser.has_section(extras) else ()
    wanted += [(extras, key) for key in named if wants(key)]
    if everything:
        wanted.append(("options", "setup_requires"))
    for section, key in wanted:
        for line in parser.get(section, key, fallback="").splitlines():
            if line.strip() and not line.strip().startswith(("#", "file:")):
                got.add(line.strip(), path)


async def _from_file(
    read: ReadFile, path: str, got: _Collector, seen: set[str], *, constraint: bool = False
) -> None:
    raw = await read(path)
    if raw is None or path in seen:
        if raw is None and seen:
            got.faults.append(f"{path} is included but is not there")
        return
    seen.add(path)
    for line in _logical_lines(raw.decode("utf-8", "replace")):
        option = _OPTION.match(line) if line.startswith("-") else None
        if option is None:
            got.add(_HASH.sub("", line).strip(), path, constraint=constraint)
        else:
            await _option(read, option[1], (option[2] or "").strip(), path, got, seen)


async def _option(read: ReadFile, flag: str, value: str, path: str, got: _Collector, seen: set[str]) -> None:
    if flag in ("-r", "--requirement", "-c", "--constraint"):
        target = (PurePosixPath(path).parent / value).as_posix()
        await _from_file(read, target, got, seen, constraint=flag in ("-c", "--constraint"))
    elif flag in ("-e", "--editable"):
        if value.split("[")[0] not in (".", "./"):
            got.direct[value] = None
            got.where[value] = path
    elif flag in _INDEX_OPTIONS:
        setting = f"{flag} {value}".strip()
        got.indexes[setting] = None
        got.where[setting] = path


def _logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
