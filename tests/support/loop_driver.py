"""A process that drives a run, and kills itself once, at a named point. Started by path, with its working
directory in the repository: `loop_driver.py LOG RUN KILL_AT`.

What the model said is chosen by how much of it was delivered before, in whichever process.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pev.config import load_config
from pev.engine import open_engine
from pev.forge.local import LocalForge
from pev.gate.engine import Gate
from pev.models import RunId
from pev.roles.asker import Request, Said
from pev.stages import executing
from support.engines import AGENT
from support.loops import RIGHT, script, writes
from support.roles import Script

LOG, RUN, KILL_AT = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def _die_at(point: str) -> None:
    """Kill this process, if this is the point and no process died there before."""
    mark = LOG.with_suffix(".killed")
    if point == KILL_AT and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Persistent(Script):
    """A model that remembers, over all processes, what it has said."""

    async def ask(self, request: Request) -> Said:
        """Answer what comes next for this role, and write down that it was delivered."""
        role = next(name for name in self.answers if f"You are the {name}" in request.system)
        said = LOG.read_text(encoding="utf-8").splitlines() if LOG.exists() else []
        done = said.count(role)
        _die_at(f"{role}-{done}")
        self.asked = [(role, "")] * done
        answer = await super().ask(request)
        LOG.write_text("".join(f"{one}\n" for one in [*said, role]), encoding="utf-8")
        return answer


def _dying_after(owner: Any, name: str, point: str) -> None:
    original = getattr(owner, name)

    async def wrapped(*args: Any, **named: Any) -> Any:
        result = await original(*args, **named)
        _die_at(point)
        return result

    setattr(owner, name, wrapped)


def _dying_before(owner: Any, name: str, point: str) -> None:
    original = getattr(owner, name)

    async def wrapped(*args: Any, **named: Any) -> Any:
        _die_at(point)
        return await original(*args, **named)

    setattr(owner, name, wrapped)


async def main() -> None:
    """Drive the run until a person is needed or it is done."""
    _dying_after(executing, "make_worktree", "worktree")
    _dying_after(executing.Executing, "_wrote", "tool")
    _dying_before(Gate, "judge", "gate")
    _dying_after(LocalForge, "open", "ship")
    model = Persistent(**script(author=[[*writes(RIGHT), ("run_command", {"argv": ["true"]})], "done"]))
    async with open_engine(load_config(), cwd=Path.cwd(), asker=model) as engine:
        await engine.looping.start(AGENT, RunId(RUN), judges=["tester", "reviewer"])
        await engine.looping.drive(AGENT, RunId(RUN), wait_s=240)


if __name__ == "__main__":
    asyncio.run(main())
