"""PEV inside of another sandbox: it says that nothing can be proven there, and refuses to run commands."""

import sys
from pathlib import Path

from pev.config import load_config
from pev.sandbox.interface import Command
from pev.sandbox.probe import interpreter_folders
from pev.sandbox.select import choose_sandbox

_PROGRAM = """
import anyio
from pathlib import Path
from pev.config import load_config
from pev.errors import SandboxUnavailable
from pev.sandbox.select import choose_sandbox

async def main():
    try:
        await choose_sandbox(load_config(state_dir="/tmp/state", cache_dir="/tmp/cache")).ready()
    except SandboxUnavailable as exc:
        print("refused:", exc.message)

anyio.run(main)
"""


async def test_a_confined_server_refuses_instead_of_failing(tmp_path: Path) -> None:
    """It may not even make the sockets that the proof needs."""
    root = Path(__file__).resolve().parents[2]
    command = Command(
        argv=(sys.executable, "-W", "error", "-c", _PROGRAM),
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        limit_s=60,
        writable=(tmp_path,),
        readable=(*interpreter_folders(), root / "server"),
    )
    done = await choose_sandbox(load_config()).run(command)
    assert done.ok, done.text()
    assert done.stdout.startswith(b"refused:"), done.text()
