"""Makes attempts to break out of one sandbox, as the user that it is, and reports in JSON.

It is what PEV's server would be: a process with a terminal, tokens in its environment, open descriptors,
keys in its keyring. Started by `support.breakout`; `--doomed` runs commands only, as a server that is
to be killed.
"""

import dataclasses
import importlib
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
import traceback
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from pev.config import load_config
from pev.errors import PevError
from pev.proc import Ending
from pev.sandbox.interface import Command, Limits, Sandbox
from pev.sandbox.select import choose_sandbox
from support.attacks.kit import REGISTRY, Attempt
from support.breakout_ears import Chatter, Swapper
from support.breakout_host import Inheritable, Ran, Terminal, key, own_key_there, run_naively, stock_kernel
from support.breakout_scene import Scene, end, survivors, tokens_left

SECRET: Final = os.environ.get("GITHUB_TOKEN", "")
_AT_ONCE: Final = 6
_OVERTIME_S: Final = 2.0
_GROWTH_MB: Final = 48
_harmless_signals = 0


def _count_harmless(_number: int, _frame: Any) -> None:
    global _harmless_signals  # noqa: PLW0603 - a signal handler has nowhere else to put it
    _harmless_signals += 1


def _harmless(mechanism: str) -> int:
    """Give the signal that attempts send: one that does no harm, and no other than ours may be hit by it."""
    return signal.SIGWINCH if mechanism == "none" else signal.SIGURG


class Driver:
    """One sandbox, and what is needed to try it."""

    def __init__(self, base: Path, mechanism: str, sandbox: Sandbox) -> None:
        self.base, self.mechanism, self.sandbox = base, mechanism, sandbox
        self.programs = base / "programs"
        self.python = os.environ["BREAKOUT_PYTHON"]
        self.terminal = Terminal()
        self.host = (self.terminal.name, _harmless(mechanism))
        self.keyed = key()
        self.tokens: dict[str, str] = {}
        self.doomed = _DoomedServer([self.mechanism, str(self.base)])

    def command(self, scene: Scene) -> Command:
        """Give the command of an attempt."""
        attempt = scene.attempt
        words = {
            "work": str(scene.work),
            "outside": str(scene.base / "outside"),
            "python": self.python,
            "began": str(scene.work / "began"),
        }
        began = {**words, "began!r": repr(words["began"])}
        told = json.dumps(scene.place._asdict())
        runner = str(self.programs / "support/attacks/run.py")
        usual = (self.python, "-I", "-S", "-B", runner, attempt.topic, attempt.name, told)
        argv = tuple(_filled(word, began) for word in attempt.argv) or usual
        env = {"PATH": "/usr/bin:/bin", "HOME": words["work"], "LANG": "C.UTF-8", "PEV_ATTEMPT": scene.token}

        def granted(kind: str) -> tuple[Path, ...]:
            return (Path(_filled(attempt.grants[kind], words)),) if kind in attempt.grants else ()

        prefix = Path(self.python).resolve().parents[1]
        system = prefix == Path("/usr")
        return Command(
            argv=argv,
            cwd=Path(_filled(attempt.cwd, words)),
            env={**env, **{key: _filled(value, words) for key, value in attempt.env.items()}},
            limit_s=attempt.limit_s,
            writable=(scene.work, *granted("writable")),
            readable=(
                self.programs,
                scene.base / "tools",
                *(() if system else (prefix,)),
                *granted("readable"),
            ),
            output_bytes=attempt.output_bytes,
            limits=Limits(**attempt.limits) if attempt.limits else None,
        )

    async def attempt(self, attempt: Attempt) -> dict[str, Any]:
        """Make one attempt and say what came of it."""
        base = self.base / _new_token()
        base.mkdir()
        confined = self.sandbox.confines
        git = attempt.git or self.mechanism != "landlock"
        scene = await anyio.to_thread.run_sync(
            partial(Scene, base, attempt, SECRET, confined=confined, git=git, host=self.host)
        )
        signals, begun_kb = _harmless_signals, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        extra: list[str] = []
        try:
            with ExitStack() as around:
                if attempt.naive:
                    around.enter_context(Inheritable(scene, extra))
                chatter = Chatter(base / "outside/secret.txt", scene.ears.ports["free"])
                if attempt.swaps:
                    around.enter_context(Swapper(scene.work / "sub", base / "outside"))
                if attempt.alone:
                    around.enter_context(chatter)
                ran = await self._ran(scene)
            effects = extra + await self._left(scene)
            effects += await anyio.to_thread.run_sync(scene.effects)
            effects += scene.leaks(ran.stdout, ran.stderr)
            if attempt.alone or attempt.naive:
                effects += self.terminal.effects()
                effects += ["signalled: the server"] if _harmless_signals != signals else []
                effects += (
                    ["called: a program of the host answered a false service"] if chatter.called else []
                )
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun_kb) // 1024
                effects += [f"grew: the server, by {grown} MiB"] if grown > _GROWTH_MB else []
            effects += self._measured(scene, ran)
            began = (scene.work / "began").exists()
        finally:
            with anyio.CancelScope(shield=True):
                if attempt.topic == "leftovers":
                    await anyio.to_thread.run_sync(end, scene.token)
                await anyio.to_thread.run_sync(scene.close)
        said = (ran.stderr or ran.stdout)[-600:].decode("utf-8", "replace")
        said = f"{ran.failed} {said}".strip()
        return {
            "began": began,
            "refused": ran.refused,
            "effects": effects,
            "said": said,
            "seconds": ran.seconds,
        }

    def _measured(self, scene: Scene, ran: Ran) -> list[str]:
        attempt, found = scene.attempt, []
        if ran.seconds > attempt.limit_s + _OVERTIME_S:
            found.append(f"ran: {ran.seconds:.1f} s, {attempt.limit_s} s allowed")
        if len(ran.stdout) + len(ran.stderr) > 2 * attempt.output_bytes + 4096:
            found.append(f"flooded: {len(ran.stdout) + len(ran.stderr)} bytes kept")
        if key() != self.keyed or own_key_there(scene.token):
            found.append("changed: the keyring")
            stock_kernel(SECRET)
            self.keyed = key()
        return found

    async def _ran(self, scene: Scene) -> Ran:
        command, attempt = self.command(scene), scene.attempt
        if attempt.naive and not self.sandbox.confines:
            return await anyio.to_thread.run_sync(run_naively, command)
        begun = time.monotonic()
        ran = Ran()
        try:
            if attempt.ends == "killed":
                await self.doomed.run(scene, command)
            elif attempt.ends == "cancelled":
                await self._run_and_cancel(scene, command)
            else:
                done = await self.sandbox.run(command)
                ran = Ran(done.stdout, done.stderr)
                ran.failed = f"[{done.ending.value} {done.code}]"
                if attempt.ends == "timeout" and done.ending is not Ending.TIMED_OUT:
                    ran.failed += " did not run out of time"
        except PevError as exc:
            ran.failed, ran.refused = f"[{exc.code}] {exc}", True
        ran.seconds = time.monotonic() - begun
        return ran

    async def _run_and_cancel(self, scene: Scene, command: Command) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.sandbox.run, command)
            await _beats(scene)
            group.cancel_scope.cancel()

    async def _left(self, scene: Scene) -> list[str]:
        """Say which processes are still there, after a moment for the kernel to end them.

        Where staying is not the point, they are looked for once, when all attempts are made.
        """
        if scene.attempt.topic != "leftovers":
            self.tokens[scene.token] = scene.attempt.id
            return []
        file = scene.work / "beat"
        grace = 5.0 if scene.attempt.ends == "killed" else 1.0
        if not self.sandbox.confines:
            grace = 0.2
        ends = time.monotonic() + grace
        while True:
            pids = await anyio.to_thread.run_sync(survivors, scene.token)
            before = _size(file)
            if file.exists():
                await anyio.sleep(0.08)
            alive = _size(file) != before
            if not pids and not alive:
                return []
            if time.monotonic() > ends:
                return [f"left: {len(pids)} processes", *(["left: something that writes"] if alive else [])]
            await anyio.sleep(0.05)


class _DoomedServer:
    """A server that runs several commands, and is killed when all of them are alive."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = [sys.executable, "-m", "support.breakout_driver", "--doomed", *argv]
        self.expected = 0
        self._scenes: list[Scene] = []
        self._told: list[dict[str, Any]] = []
        self._killed = anyio.Event()

    async def run(self, scene: Scene, command: Command) -> None:
        """Hand in a command, and come back when the server is dead."""
        self._scenes.append(scene)
        self._told.append(dataclasses.asdict(command))
        if len(self._scenes) < self.expected:
            with anyio.move_on_after(30):
                await self._killed.wait()
            return
        server = subprocess.Popen(self._argv, stdin=subprocess.PIPE, start_new_session=True)
        try:
            assert server.stdin
            server.stdin.write(json.dumps(self._told, default=str).encode())
            server.stdin.close()
            for one in self._scenes:
                await _beats(one)
        finally:
            server.kill()
            server.wait()
            self._killed.set()


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


def _new_token() -> str:
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(10))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _beats(scene: Scene) -> None:
    with anyio.move_on_after(8):
        while not _size(scene.work / "beat"):
            await anyio.sleep(0.02)


def _sandbox(mechanism: str, base: Path) -> Sandbox:
    return choose_sandbox(
        load_config(sandbox=mechanism, state_dir=base / "pev-state", cache_dir=base / "pev-cache")
    )


async def _run_doomed(mechanism: str, base: Path) -> None:
    sandbox = _sandbox(mechanism, base)
    await sandbox.ready()
    async with anyio.create_task_group() as group:
        for plain in json.load(sys.stdin):
            for name in ("writable", "readable"):
                plain[name] = tuple(Path(path) for path in plain[name])
            plain.update(argv=tuple(plain["argv"]), cwd=Path(plain["cwd"]), hosts=(), limits=None)
            group.start_soon(sandbox.run, Command(**plain))


async def _run_all(names: list[str], mechanism: str, base: Path) -> dict[str, Any]:
    """Make attempts, several at once where they do not disturb each other."""
    signal.signal(_harmless(mechanism), _count_harmless)
    stock_kernel(SECRET)
    (base / ".netrc").write_text(SECRET, encoding="utf-8")
    driver = Driver(base, mechanism, _sandbox(mechanism, base))
    try:
        await driver.sandbox.ready()
    except PevError as exc:
        return {"unavailable": str(exc)}
    chosen = [REGISTRY[name] for name in names]
    reports: dict[str, Any] = {}
    slots = anyio.CapacityLimiter(_AT_ONCE)

    doomed = [one for one in chosen if one.ends == "killed"]
    driver.doomed.expected = len(doomed)
    slots.total_tokens += len(doomed)

    async def one(attempt: Attempt) -> None:
        async with slots:
            try:
                reports[attempt.id] = await driver.attempt(attempt)
            except Exception:  # noqa: BLE001 - one that could not be judged is one that failed
                said = traceback.format_exc()
                reports[attempt.id] = {
                    "began": False,
                    "refused": False,
                    "effects": [],
                    "said": said,
                    "seconds": 0,
                }

    async with anyio.create_task_group() as group:
        for attempt in (*doomed, *chosen):
            if not (attempt.alone or attempt.naive or attempt.id in reports):
                reports[attempt.id] = {}
                group.start_soon(one, attempt)
    for attempt in chosen:
        if attempt.alone or attempt.naive:
            await one(attempt)
    for token, name in tokens_left(driver.tokens):
        reports[name]["effects"].append("left: a process")
        end(token)
    return reports


def main() -> None:
    """Make the attempts that standard input names and write a report, or be a server that is to be killed."""
    os.umask(0o022)
    if sys.argv[1] == "--doomed":
        anyio.run(_run_doomed, sys.argv[2], Path(sys.argv[3]))
        return
    mechanism, base = sys.argv[1:3]
    names: list[str] = json.load(sys.stdin)
    for topic in {name.partition(".")[0] for name in names}:
        importlib.import_module(f"support.attacks.{topic}")
    os.chdir(base)
    report = anyio.run(_run_all, names, mechanism, Path(base))
    Path(base, "report.json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
