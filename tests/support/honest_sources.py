"""Released sources, and a repository with the change of a case made of two of them.

A source distribution is fetched where uv says that it lies, checked against the hash that the corpus names,
and unpacked; nothing of it is run or built.
"""

import difflib
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from support.honest_cases import Case, Project

_UV: Final = Path(sys.executable).parent / "uv"
_ONLY_RELEASED: Final = ("PKG-INFO", "*.egg-info/*")
_NEAR: Final = 3
_WHO: Final = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.invalid"), ("DATE", "2026-01-02T03:04:05Z"))
}


def fetch(project: str, version: str, sha256: str, into: Path) -> Path:
    """Give the source distribution of a release, fetched if `into` has it not. Raises RuntimeError."""
    target = into / f"{project}-{version}.tar.gz"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(_address(project, version), timeout=120) as answer:  # noqa: S310 - uv's
            target.write_bytes(answer.read())
    if (found := hashlib.sha256(target.read_bytes()).hexdigest()) != sha256:
        target.unlink()
        raise RuntimeError(f"{project} {version} has the SHA-256 {found}, not {sha256}")
    return target


def _address(project: str, version: str) -> str:
    argv = [str(_UV), "pip", "compile", "-q", "--no-config", "--no-deps", "--format", "pylock.toml", "-"]
    done = subprocess.run(argv, input=f"{project}=={version}\n", capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{project} {version} is not there: {done.stderr.strip()[-300:]}")
    (package,) = tomllib.loads(done.stdout)["packages"]
    if not str(package.get("sdist", {}).get("url", "")).endswith(".tar.gz"):
        raise RuntimeError(f"{project} {version} has no source distribution as .tar.gz")
    return str(package["sdist"]["url"])


def read_release(archive: Path, drop: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Give the files of a source distribution by path, without what only releasing made."""
    out = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            path = member.name.partition("/")[2]
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None and not any(fnmatchcase(path, one) for one in (*_ONLY_RELEASED, *drop)):
                out[path] = file.read()
    return {path: raw for path, raw in out.items() if ".egg-info/" not in path}


def compose(case: Case, old: dict[str, bytes], new: dict[str, bytes]) -> dict[str, bytes]:
    """Give the files after the change of a case. Raises RuntimeError if it changes nothing that it names."""
    out = dict(old)
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path) or not case.takes(path):
            continue
        if path in case.hunks:
            out[path] = choose_hunks(path, old.get(path, b""), new.get(path, b""), case.hunks[path])
        elif path in new:
            out[path] = new[path]
        else:
            del out[path]
    if out == old:
        raise RuntimeError(f"{case.id} changes nothing")
    return out


def choose_hunks(path: str, old: bytes, new: bytes, texts: tuple[str, ...]) -> bytes:
    """Take over those hunks of a file that hold one of `texts`. Raises RuntimeError if one fits none."""
    before, after = _lines(old), _lines(new)
    out: list[str] = []
    missing = set(texts)
    for hunk in hunks_of(before, after):
        fits = {text for text in texts if any(text in line for line in hunk.lines(before, after))}
        missing -= fits
        start, end, first, last = hunk.span
        out += after[first:last] if fits or hunk.same else before[start:end]
    if missing:
        raise RuntimeError(f"{path}: no hunk holds {sorted(missing)}")
    return "".join(out).encode("utf-8", "surrogateescape")


class Hunk:
    """A stretch of two files: lines `start` to `end` of the old one, `first` to `last` of the new one."""

    def __init__(self, span: tuple[int, int, int, int], *, same: bool) -> None:
        self.span = span
        self.same = same

    def lines(self, before: list[str], after: list[str]) -> list[str]:
        """Give the lines that are not the same on both sides."""
        start, end, first, last = self.span
        return [] if self.same else [*before[start:end], *after[first:last]]


def hunks_of(before: list[str], after: list[str]) -> list[Hunk]:
    """Cut two files into stretches, in order; differences that are nearer than four lines are one."""
    out: list[Hunk] = []
    for tag, start, end, first, last in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        same = tag == "equal" and (end - start > _NEAR or not out)
        if not same and out and not out[-1].same:
            out[-1].span = (out[-1].span[0], end, out[-1].span[2], last)
        else:
            out.append(Hunk((start, end, first, last), same=same))
    return out


def _lines(raw: bytes) -> list[str]:
    return raw.decode("utf-8", "surrogateescape").splitlines(keepends=True)


def make_repository(project: Project, case: Case, archives: Path, repo: Path) -> tuple[str, int, int]:
    """Make a repository with the base on `main` and the change on `task`.

    Gives the commit of the change, and how many files and lines it touches. Raises RuntimeError.
    """
    old, new = (
        read_release(fetch(project.name, one, project.releases[one], archives), project.drop)
        for one in (case.base, case.to)
    )
    changed = compose(case, old, new)
    if case.pev_toml:
        old, changed = (files | {"pev.toml": case.pev_toml.encode()} for files in (old, changed))
    repo.mkdir(parents=True)
    _git(repo, "init", "-q", "-b", "main")
    _commit(repo, {}, old, "release")
    _git(repo, "checkout", "-q", "-b", "task")
    commit = _commit(repo, old, changed, case.title)
    rows = [line.split("\t") for line in _git(repo, "diff", "--numstat", "main", "task").splitlines()]
    lines = sum(int(number) for row in rows for number in row[:2] if number.isdigit())
    _git(repo, "checkout", "-q", "main")
    return commit, len(rows), lines


def _commit(repo: Path, old: dict[str, bytes], new: dict[str, bytes], message: str) -> str:
    for path in old.keys() - new.keys():
        (repo / path).unlink()
    for path, raw in new.items():
        if old.get(path) != raw:
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            (repo / path).write_bytes(raw)
    _git(repo, "add", "-A", "-f")
    _git(repo, "commit", "-q", "-m", message)
    return _git(repo, "rev-parse", "HEAD")


def _git(repo: Path, *args: str) -> str:
    git = shutil.which("git") or "git"
    plain = ("-c", "core.autocrlf=false", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
    env = {"PATH": "/usr/bin:/bin", "HOME": str(repo.parent), "GIT_CONFIG_NOSYSTEM": "1", **_WHO}
    done = subprocess.run([git, *plain, *args], cwd=repo, env=env, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"git {args[0]}: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}")
    return done.stdout.decode("utf-8", "replace").strip()
