"""Plants known cheats in scratch copies of a repository, to show that its gate catches them here.

Each cheat is judged by the check that should catch it, with the tools, the policy and the trust that are in
force. Nothing of it is kept, and the repository itself is not touched.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from anyio import to_thread

from pev.errors import CheckUnknown, PevError
from pev.findings import Effect, Outcome
from pev.gate.demands import ALWAYS
from pev.gate.engine import Gate
from pev.gate.interface import GateRequest
from pev.gate.subjects import inventory, is_test_file
from pev.models import Model
from pev.repos.depot import Depot
from pev.repos.objects import Entry
from pev.repos.scratch import scratch_checkout
from pev.repos.snapshot import take_snapshot
from pev.text import one_line

Files = dict[str, str | None]
_NAME: Final = "pev_planted"
_BENCH: Final = "def planted(value: int) -> int:\n"
_LONG: Final = (
    _BENCH + "".join(f"    if value == {n}:\n        return {n}\n" for n in range(40)) + "    return 0\n"
)


class Copy(NamedTuple):
    """What a cheat needs to know of the repository: its files, where code and tests lie, and its reader."""

    entries: Sequence[Entry]
    code: str
    tests: str
    read: Callable[[str], str]

    def some_test(self) -> str | None:
        """Give a test file that holds tests."""
        files = [entry.path for entry in self.entries if is_test_file(entry.path)]
        return next((path for path in files if inventory(self.read(path))), None)


class Cheat(NamedTuple):
    """A known way to get a bad change through, and the check that should catch it."""

    name: str
    check: str
    plant: Callable[[Copy], Files]


class Tried(Model):
    """What became of a cheat. `caught` is None if it could not be tried here, which `said` explains."""

    cheat: str
    check: str
    caught: bool | None
    said: str


def _file(folder: str, name: str, text: str) -> Callable[[Copy], Files]:
    return lambda copy: {f"{getattr(copy, folder)}{name}": text}


def _without_test(copy: Copy) -> Files:
    path = copy.some_test()
    return {path: None} if path else {}


def _shadow(copy: Copy) -> Files:
    return {f"{copy.tests}pytest.py": "def main() -> int:\n    return 0\n"}


_SECRET: Final = "gh" + "p_" + "Zk3vT9qLr7Wn1YbXc5Hd8JfMg2Ps4RuAe6Ot"
CHEATS: Final = (
    Cheat("a suppression", ALWAYS, _file("code", f"{_NAME}.py", "import os  # noqa: F401\n")),
    Cheat("a configuration that looks away", ALWAYS, _file("code", "ruff.toml", "lint.select = []\n")),
    Cheat(
        "a hook that makes failures pass",
        ALWAYS,
        _file(
            "tests",
            "planted/conftest.py",
            "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport():\n"
            "    outcome = yield\n    outcome.get_result().outcome = 'passed'\n",
        ),
    ),
    Cheat("a test that is gone", ALWAYS, _without_test),
    Cheat("a module in the place of pytest", ALWAYS, _shadow),
    Cheat("a credential", ALWAYS, _file("code", f"{_NAME}.json", f'{{"token": "{_SECRET}"}}\n')),
    Cheat(
        "text that reads in another order", ALWAYS, _file("code", f"{_NAME}.py", "x = 1  # \u202e 1 = y\n")
    ),
    Cheat("code that knows of pytest", ALWAYS, _file("code", f"{_NAME}.py", "import pytest\n\nx = pytest\n")),
    Cheat("an unused import", "lint", _file("code", f"{_NAME}.py", "import os, sys\nprint(undefined)\n")),
    Cheat("a file in disorder", "format", _file("code", f"{_NAME}.py", "x = {  'a':1 }\n\n\n\n\ny=2\n")),
    Cheat("a wrong type", "types", _file("code", f"{_NAME}.py", 'planted: int = "text"\n')),
    Cheat(
        "a shell call",
        "security",
        _file("code", f"{_NAME}.py", "import subprocess\n\nsubprocess.run(input(), shell=True)\n"),
    ),
    Cheat(
        "a dependency from elsewhere",
        "deps",
        lambda _: {"requirements.txt": "planted @ https://example.invalid/planted-1.0.tar.gz\n"},
    ),
    Cheat(
        "a test that fails",
        "tests",
        _file("tests", f"test_{_NAME}.py", "def test_planted():\n    assert 0\n"),
    ),
    Cheat("code that no test runs", "tests", _file("code", f"{_NAME}.py", _LONG)),
)


async def try_cheats(gate: Gate, request: GateRequest, under: Path) -> AsyncIterator[Tried]:
    """Plant each cheat in a copy of the trusted commit below `under`, and give what became of each."""
    depot, base = request.depot, request.trusted_commit
    if not isinstance(depot, Depot):
        raise TypeError("cheats are planted in copies of a depot's trees")
    copy = await _look_at(depot, await depot.tree_of(base))
    for cheat in CHEATS:
        files = cheat.plant(copy)
        if not files:
            yield Tried(
                cheat=cheat.name, check=cheat.check, caught=None, said="there is nothing to plant it in"
            )
            continue
        try:
            yield await _try(gate, replace(request, base_commit=base), depot, cheat, files, under)
        except CheckUnknown:
            said = f"this policy has no check {cheat.check!r}"
            yield Tried(cheat=cheat.name, check=cheat.check, caught=None, said=said)
        except PevError as exc:
            yield Tried(cheat=cheat.name, check=cheat.check, caught=False, said=exc.message)


async def _try(
    gate: Gate, request: GateRequest, depot: Depot, cheat: Cheat, files: Files, under: Path
) -> Tried:
    base = request.trusted_commit
    async with scratch_checkout(depot, await depot.tree_of(base), under) as folder:
        await to_thread.run_sync(_plant, folder, files)
        snapshot = await take_snapshot(depot, folder, base_commit=base, trusted_commit=base, remember=False)
    result = await gate.check_one(replace(request, snapshot=snapshot), cheat.check)
    found = [one for one in result.findings if one.counts() and one.effect is not Effect.NOTES]
    about = [one for one in found if one.path in (*files, None) or cheat.check == "tests"]
    if result.outcome in (Outcome.FAILED, Outcome.HELD) and about:
        said = f"{result.outcome}: {cheat.check}/{about[0].rule}"
        return Tried(cheat=cheat.name, check=cheat.check, caught=True, said=said)
    said = f"{result.outcome}: {one_line(result.reason, 200)}"
    inconclusive = result.outcome is Outcome.INCONCLUSIVE
    return Tried(cheat=cheat.name, check=cheat.check, caught=None if inconclusive else False, said=said)


async def _look_at(depot: Depot, tree: str) -> Copy:
    """Find out where a repository keeps its code and its tests, by where most of them lie."""
    entries = await depot.entries(tree)
    python = [entry.path for entry in entries if entry.path.endswith(".py")]
    texts = await depot.read_blobs(tree, [path for path in python if is_test_file(path)])
    return Copy(
        entries,
        _home([path for path in python if not is_test_file(path) and path.endswith("__init__.py")]),
        _home([path for path in python if is_test_file(path)]),
        lambda path: (texts.get(path) or b"").decode("utf-8", "replace"),
    )


def _home(paths: list[str]) -> str:
    """Give the folder, with a slash, that holds most of some files, the top if there are none."""
    folders = [path.rpartition("/")[0] for path in paths]
    most = max(sorted(set(folders)), key=folders.count, default="")
    return f"{most}/" if most else ""


def _plant(folder: Path, files: Files) -> None:
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
