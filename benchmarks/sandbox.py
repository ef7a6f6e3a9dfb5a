"""What a sandbox costs per command: median over 50 runs of `true`, plainly and in each mechanism.

The runs are interleaved, so that a busy machine slows all of them alike. The aim is at most 15 ms more than
the plain process.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from pev import proc
from pev.config import load_config
from pev.errors import SandboxUnavailable
from pev.sandbox.interface import Command, Sandbox
from pev.sandbox.probe import interpreter_folders
from pev.sandbox.select import choose_sandbox
from pev.sandbox.unconfined import Unconfined

ROUNDS: Final = 50
AIM_MS: Final = 15.0


async def mechanisms(root: Path) -> dict[str, Sandbox]:
    """Give the mechanisms that hold here, by name; the plain process is `none`."""
    out: dict[str, Sandbox] = {"none": Unconfined()}
    for name in ("bubblewrap", "landlock"):
        sandbox = choose_sandbox(
            load_config(sandbox=name, state_dir=root / "state", cache_dir=root / "cache")
        )
        try:
            await sandbox.ready()
        except SandboxUnavailable as exc:
            print(f"{name}: {exc}")
            continue
        out[name] = sandbox
    return out


async def measure(root: Path) -> dict[str, list[float]]:
    """Run `true` in turn in each mechanism, as an agent's command is run; give milliseconds."""
    folder = root / "worktree"
    folder.mkdir()
    (folder / ".git").write_text("gitdir: elsewhere\n", encoding="utf-8")
    command = Command(
        argv=("/bin/true",),
        cwd=folder,
        env=proc.base_env(),
        limit_s=30,
        writable=(folder,),
        readable=interpreter_folders(),
    )
    sandboxes = await mechanisms(root)
    out: dict[str, list[float]] = {name: [] for name in sandboxes}
    for _ in range(ROUNDS):
        for name, sandbox in sandboxes.items():
            begun = time.perf_counter()
            done = await sandbox.run(command)
            out[name].append((time.perf_counter() - begun) * 1000)
            assert done.ok, done.text()
    return out


def main() -> None:
    """Print what each mechanism costs."""
    with tempfile.TemporaryDirectory(prefix="pev-bench-sandbox-") as name:
        found = asyncio.run(measure(Path(name)))
    plain = statistics.median(found["none"])
    print(f"{'mechanism':12} {'median ms':>10} {'best ms':>8} {'ratio':>6} {'more ms':>8} (aim: {AIM_MS:g})")
    for name, times in found.items():
        median = statistics.median(times)
        print(f"{name:12} {median:10.1f} {min(times):8.1f} {median / plain:6.1f} {median - plain:8.1f}")


if __name__ == "__main__":
    main()
