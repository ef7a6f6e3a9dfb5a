"""The break-out suite: which attempts there are, and what came of each in a sandbox, as root and as a user.

All attempts that a session selects are made by one child process for a sandbox and a user, which is the
server of that user; tests look up theirs in its report. Without a sandbox (`none`) each attempt must have
its effect: one that never works proves nothing. `python -m support.breakout` prints all that works where.
"""

import fcntl
import functools
import importlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from support.attacks import kit
from support.attacks.kit import REGISTRY, Attempt
from support.breakout_known import reason_it_works

TOPICS: Final = (
    "files",
    "secrets",
    "processes",
    "shared",
    "network",
    "kernel",
    "rights",
    "terminal",
    "swaps",
    "leftovers",
    "resources",
)
MECHANISMS: Final = ("bubblewrap", "landlock")
USERS: Final = ("root", "user") if os.geteuid() == 0 else ("user",)
_ATTACKS: Final = Path(kit.__file__).parent
WRITTEN_FIRST: Final = frozenset((_ATTACKS / "written_first.txt").read_text(encoding="utf-8").split())
"""The attempts that were written from the list of threats alone, with no sandbox to run them against."""

_SLOW: Final = (("none", "user"), ("landlock", "root"))
_SYSTEM: Final = Path("/usr/bin/python3")
_INSIDE: Final = str(_SYSTEM if _SYSTEM.exists() else Path(sys.base_prefix, "bin/python3"))
_TESTS: Final = Path(__file__).parents[1]
_LIMIT_S: Final = 600
_pool: Final = ThreadPoolExecutor(2)
Report = dict[str, dict[str, object]]


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: whether it ran or was refused, its effects, and the end of what it printed."""

    began: bool
    refused: bool
    effects: tuple[str, ...]
    said: str


def of_topic(topic: str) -> list[Attempt]:
    """Give the attempts of a topic."""
    importlib.import_module(f"support.attacks.{topic}")
    return [one for one in REGISTRY.values() if one.topic == topic]


def confined(topic: str) -> list[object]:
    """Give the attempts of a topic in each sandbox, as each user, as parameters of a test."""
    return [
        pytest.param(
            one, mechanism, user, id=f"{mechanism}-{user}-{one.name}", marks=_marks(one, mechanism, user)
        )
        for mechanism in MECHANISMS
        for user in USERS
        for one in of_topic(topic)
    ]


def unconfined(topic: str) -> list[object]:
    """Give the attempts of a topic without a sandbox, as each user, as parameters of a test."""
    return [
        pytest.param(one, user, id=f"{user}-{one.name}", marks=_marks(one, "none", user))
        for user in USERS
        for one in of_topic(topic)
    ]


def _marks(attempt: Attempt, mechanism: str, user: str) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.slow] if attempt.slow or (len(USERS) > 1 and (mechanism, user) in _SLOW) else []
    reason = reason_it_works(attempt.id, mechanism) if mechanism != "none" else None
    return [*marks, pytest.mark.xfail(reason=reason, strict=True)] if reason else marks


def check_it_fails(session: pytest.Session, attempt: Attempt, mechanism: str, user: str) -> None:
    """Assert that an attempt ran inside the sandbox and had no effect outside.

    A sandbox that cannot hide what it must hide may refuse the command.
    """
    outcome = _outcome(session, attempt, mechanism, user)
    if not (outcome.refused and (attempt.git or attempt.may_refuse)):
        assert outcome.began, f"the attack did not run: {outcome.said}"
    assert not outcome.effects, f"{outcome.effects}; it said: {outcome.said}"


def check_it_works(session: pytest.Session, attempt: Attempt, user: str) -> None:
    """Assert that an attempt has its effect where nothing confines it."""
    outcome = _outcome(session, attempt, "none", user)
    if not outcome.began and attempt.swaps:
        pytest.skip("the folder was swapped when the attack was to start in it")
    assert outcome.began, f"the attack did not run: {outcome.said}"
    if not outcome.effects and attempt.root and user != "root":
        pytest.skip("without a sandbox only root can do this")
    if not outcome.effects and attempt.inert:
        pytest.skip(f"no effect on this machine: {attempt.inert}")
    assert outcome.effects, f"it had no effect; it said: {outcome.said}"


def _outcome(session: pytest.Session, attempt: Attempt, mechanism: str, user: str) -> Outcome:
    """Give what came of an attempt. The first time, all that the session selected is started."""
    runs = _selected(session)
    for (in_mechanism, as_user), names in runs.items():
        _started(in_mechanism, as_user, names, _place_of(session))
    report = _started(mechanism, user, runs[mechanism, user], _place_of(session)).result()
    if "unavailable" in report:
        pytest.skip(f"{mechanism} cannot be used here: {report['unavailable']}")
    seen = report[attempt.id]
    return Outcome(
        began=bool(seen["began"]),
        refused=bool(seen["refused"]),
        effects=tuple(str(one) for one in seen["effects"]),  # type: ignore[attr-defined] # a list in JSON
        said=str(seen["said"]),
    )


@functools.cache
def _selected(session: pytest.Session) -> dict[tuple[str, str], tuple[str, ...]]:
    """Give the attempts that are to be made, by sandbox and user, so that no others are."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in session.items:
        call = getattr(item, "callspec", None)
        if call and isinstance(one := call.params.get("attempt"), Attempt):
            found.setdefault((call.params.get("mechanism", "none"), call.params["user"]), []).append(one.id)
    return {key: tuple(names) for key, names in found.items()}


@functools.cache
def _started(mechanism: str, user: str, names: tuple[str, ...], place: Path | None) -> "Future[Report]":
    return _pool.submit(_made_once, mechanism, user, names, place)


def _place_of(session: pytest.Session) -> Path | None:
    """Give a folder that all processes share that divide the tests among themselves; None for one alone."""
    base = session.config.getoption("basetemp")
    return Path(str(base)).parent if base and "PYTEST_XDIST_WORKER" in os.environ else None


def _made_once(mechanism: str, user: str, names: tuple[str, ...], place: Path | None) -> Report:
    """Make attempts, or give the report of the process that made them."""
    if place is None:
        return run(mechanism, user, names)
    kept = place / f"breakout-{mechanism}-{user}.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(run(mechanism, user, names)), encoding="utf-8")
        found: Report = json.loads(kept.read_text(encoding="utf-8"))
        return found


def run(mechanism: str, user: str, names: Iterable[str]) -> Report:
    """Make attempts in a child process that is the server of a user; give its report by their ids."""
    base = Path(tempfile.mkdtemp(prefix="pevb-", dir="/tmp"))
    try:
        _copy_programs(base)
        drop = user == "user" and os.geteuid() == 0
        uid = 60_000 + secrets.randbelow(5_000) if drop else os.geteuid()
        os.chown(base, uid, uid if drop else os.getegid())
        python = _python_for_all() if drop else sys.executable
        secret = f"canary-{secrets.token_hex(12)}"
        with (base / "log").open("wb") as log:
            done = subprocess.run(
                [python, "-m", "support.breakout_driver", mechanism, base, f"--password={secret}"],
                env={**_environment(base), "GITHUB_TOKEN": secret, "ANTHROPIC_API_KEY": secret},
                cwd="/",
                input=json.dumps(list(names)).encode(),
                stdout=log,
                stderr=log,
                start_new_session=True,
                timeout=_LIMIT_S,
                user=uid if drop else None,
                group=uid if drop else None,
                extra_groups=() if drop else None,
            )
        text = (base / "log").read_text(encoding="utf-8", errors="replace")
        assert done.returncode == 0, text[-1500:]
        found: Report = json.loads((base / "report.json").read_text(encoding="utf-8"))
        return found
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _copy_programs(base: Path) -> None:
    """Copy the attacks to where every user may read them, and nothing else lies."""
    base.chmod(0o755)
    target = base / "programs/support/attacks"
    shutil.copytree(_ATTACKS, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target.parent / "__init__.py").touch()
    subprocess.run([_INSIDE, "-m", "compileall", "-q", base / "programs"], check=True)


def _environment(base: Path) -> dict[str, str]:
    """Give what Python needs of the server's environment."""
    parts = [_TESTS, Path(importlib.import_module("pev").__file__ or "").parents[1]]
    parts.append(Path(importlib.import_module("anyio").__file__ or "").parents[1])
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(base),
        "PYTHONPATH": os.pathsep.join(map(str, parts)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BREAKOUT_PYTHON": _INSIDE,
    }


def _python_for_all() -> str:
    """Give an interpreter of our version that an ordinary user may start; skip the test if there is none."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.executable), Path("/usr/bin", name), Path("/usr/local/bin", name)):
        if candidate.exists() and all(part.stat().st_mode & 1 for part in candidate.resolve().parents):
            return str(candidate)
    pytest.skip(f"no {name} that an ordinary user may start")


def main() -> None:
    """Print for each sandbox and user how many attempts were made, and which got out."""
    names = [one.id for topic in TOPICS for one in of_topic(topic)]
    print(f"{len(names)} attempts, {len(WRITTEN_FIRST & set(names))} of them written first")
    for mechanism in ("none", *MECHANISMS):
        for user in USERS:
            _print(mechanism, user, run(mechanism, user, names))


def _print(mechanism: str, user: str, report: Report) -> None:
    if "unavailable" in report:
        print(f"{mechanism} as {user}: cannot be used here: {report['unavailable']}")
        return
    out = {name for name, seen in report.items() if seen.get("effects")}
    known = {name for name in report if mechanism != "none" and reason_it_works(name, mechanism)}
    for part, made in (("", report.keys()), ("  written first", WRITTEN_FIRST & report.keys())):
        got = f"{len(out & made)} had an effect ({len(out & known & made)} of {len(known & made)} known)"
        print(f"{part or f'{mechanism} as {user}'}: {len(made)} attempts, {len(made - out)} stopped, {got}")
    if mechanism != "none":
        print("".join(f"  {name}: {report[name]['effects']}\n" for name in sorted(out)), end="")


if __name__ == "__main__":
    main()
