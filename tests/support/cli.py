"""The `pev` command as a person or a script runs it: through pipes, or on a real terminal."""

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.clients import PEV


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str = ""

    def json(self) -> Any:
        """Parse standard output as one JSON document."""
        return json.loads(self.out)


def pev(*args: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run `pev` without a terminal."""
    done = subprocess.run(
        [PEV, *args],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


Answer = str | Callable[[str], str]
"""What is typed: a text, which may name a group of the pattern, or a function of the whole screen."""


def on_terminal(
    argv: Sequence[str], *, cwd: Path, answers: Mapping[str, Answer], limit_s: float = 60.0
) -> Ended:
    """Run a program on a terminal; when the screen shows a pattern, type its answer, once."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(argv[0], list(argv), dict(os.environ))
    screen, seen, deadline = "", 0, time.monotonic() + limit_s
    left = dict(answers)
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([fd], [], [], 0.1)
            screen += os.read(fd, 65_536).decode(errors="replace") if ready else ""
            for pattern, answer in list(left.items()):
                found = re.search(pattern, screen[seen:])
                if found is not None:
                    seen = len(screen)
                    text = found.expand(answer) if isinstance(answer, str) else answer(screen)
                    os.write(fd, f"{text}\n".encode())
                    del left[pattern]
    except OSError:  # the terminal closes with the program
        pass
    if time.monotonic() >= deadline:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return Ended(os.waitstatus_to_exitcode(status), screen)


def pev_on_terminal(*args: str, cwd: Path, answers: Mapping[str, Answer]) -> Ended:
    """Run `pev` on a terminal."""
    return on_terminal([PEV, *args], cwd=cwd, answers=answers)


def trust(repo: Path) -> None:
    """Trust a repository's policy, as its person does."""
    ended = pev_on_terminal("trust", ".", cwd=repo, answers={r"Type ([0-9a-f]{6}) to trust": r"\1"})
    assert ended.code == 0, ended.out
