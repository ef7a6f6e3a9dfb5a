"""Opens a run's pull request in a process of its own, which a test may kill."""

import sys
from pathlib import Path

import anyio

from pev.config import load_config
from pev.engine import open_engine, parse_run_id
from support.engines import AGENT


async def main(*args: str) -> None:
    """Open the pull request, and read what became of it."""
    repo, run = args
    async with open_engine(load_config(), cwd=Path(repo)) as engine:
        print("begun", flush=True)
        await engine.shipping.open_pr(AGENT, parse_run_id(run))
        await engine.shipping.sync_pr(AGENT, parse_run_id(run))
    print("done", flush=True)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
