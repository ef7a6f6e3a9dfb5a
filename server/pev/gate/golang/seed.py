"""What Go compiled of its own standard library, kept in a cache of ours, so that no checkout does it again.

A small module of ours that imports common packages is vetted and tested once for each Go, outside of the
sandbox; a second one has those of the network too, for projects that import such. Checkouts see the result
read-only, by links from a cache of their own.
"""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from anyio import to_thread

from pev import proc
from pev.models import hash_json
from pev.repos.lock import locked

_IMPORT: Final = re.compile(
    rb'^[ \t]*(?:import[ \t]+)?(?:[\w.]+[ \t]+)?"([a-z][a-z0-9/]*)"[ \t]*$', re.MULTILINE
)
_PLAIN: Final = (
    "bufio",
    "bytes",
    "context",
    "encoding/json",
    "errors",
    "flag",
    "fmt",
    "io",
    "log",
    "math",
    "math/rand",
    "os",
    "os/exec",
    "path/filepath",
    "reflect",
    "regexp",
    "sort",
    "strconv",
    "strings",
    "sync",
    "testing",
    "time",
)
_NET: Final = (
    "crypto/tls",
    "database/sql",
    "embed",
    "encoding/xml",
    "html/template",
    "mime/multipart",
    "net",
    "net/http",
    "net/http/httptest",
    "net/url",
    "text/template",
)
_NET_MARKS: Final = {"crypto", "database", "html", "mime", "net", "text"}
_COMPLETE: Final = "pev-complete"
_LIMIT_S: Final = 600.0
_MAX_FILES: Final = 20_000
_FORMAT: Final = 1
_RUNS: Final = (
    ("vet", "-json", "./..."),
    ("test", "-json", "-count=1", "-vet=off", "-coverprofile=cover.out", "-coverpkg=./...", "./..."),
    ("test", "-json", "-count=1", "-vet=off", "./..."),
)


def common_packages(folder: Path) -> tuple[str, ...]:
    """List the common packages of Go for a project: those of the network too, if a source imports such."""
    for path in (path for _, path in zip(range(_MAX_FILES), folder.rglob("*.go"), strict=False)):
        if path.is_file() and not path.is_symlink():
            for name in _IMPORT.findall(path.read_bytes()[: 2**16]):
                if name.decode().partition("/")[0] in _NET_MARKS:
                    return (*_PLAIN, *_NET)
    return _PLAIN


async def seed(
    go: Path, version: str, packages: Iterable[str], folder: Path, env: dict[str, str]
) -> Path | None:
    """Give a folder with what Go compiled of some packages, made if it is not there; None if that failed.

    `env` keeps Go from the network and from other people's settings.
    """
    names = sorted(packages)
    key = hash_json([_FORMAT, str(go), version, names])[:32]
    kept = folder / "seeds" / key
    if (kept / _COMPLETE).is_file():
        return kept
    async with locked(folder / "locks" / f"seed-{key}", limit_s=2 * _LIMIT_S):
        if (kept / _COMPLETE).is_file():
            return kept
        work = folder / "work" / f"seed-{key}-{os.getpid()}"
        await to_thread.run_sync(_write, work, kept, names)
        own = proc.base_env(env) | {"GOCACHE": str(kept), "GOFLAGS": "-mod=mod", "GOWORK": "off"}
        own |= {"GOPATH": str(work / "path")}
        done = [await proc.run([str(go), *words], cwd=work, env=own, limit_s=_LIMIT_S) for words in _RUNS]
        await to_thread.run_sync(shutil.rmtree, work, True)
        if not all(one.ok for one in done):
            return None
        (kept / _COMPLETE).write_text("", encoding="utf-8")
    return kept


def _write(work: Path, kept: Path, names: list[str]) -> None:
    for one in (work, kept):
        shutil.rmtree(one, ignore_errors=True)
        one.mkdir(parents=True)
    (work / "go.mod").write_text("module example.com/seed\n\ngo 1.19\n", encoding="utf-8")
    imports = "".join(f'import _ "{name}"\n' for name in names)
    (work / "seed.go").write_text(f"package seed\n\n{imports}\nfunc Seed() {{}}\n", encoding="utf-8")
    test = 'package seed\n\nimport "testing"\n\nfunc TestSeed(t *testing.T) { Seed() }\n'
    (work / "seed_test.go").write_text(test, encoding="utf-8")


def plant(seeded: Path, cache: Path) -> None:
    """Link what was compiled into a cache that can be written; the links lead to what cannot."""
    for folder in seeded.iterdir():
        if folder.is_dir() and len(folder.name) == 2:
            target = cache / folder.name
            target.mkdir(parents=True, exist_ok=True)
            for entry in folder.iterdir():
                link = target / entry.name
                if not link.is_symlink():
                    link.symlink_to(entry)
