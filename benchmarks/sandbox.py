"""What a sandbox costs: per command, as the median over 50 runs of `true`, and per gate.

The runs are interleaved, so that a busy machine slows all of them alike. The aims are at most 15 ms more than
the plain process, and at most 3 per cent of a gate's time.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.gate import make_project, measure_gate
from pev import proc
from pev.config import load_config
from pev.errors import SandboxUnavailable
from pev.sandbox.interface import Command, Sandbox
from pev.sandbox.probe import interpreter_folders
from pev.sandbox.select import choose_sandbox
from pev.sandbox.unconfined import Unconfined

ROUNDS: Final = 50
AIM_MS: Final = 15.0
GATES: Final = 6
AIM_PER_CENT: Final = 3.0


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


async def measure_gates(root: Path) -> dict[str, list[float]]:
    """Run the gate of the sample project in turn without a sandbox and in bubblewrap; give seconds."""
    folder = root / "sample"
    folder.mkdir()
    make_project(folder)
    names = [name for name in await mechanisms(root) if name != "landlock"]
    out: dict[str, list[float]] = {name: [] for name in names}
    for number in range(GATES + 1):
        for name in names:
            state = root / f"state-{name}-{number}"
            config = load_config(sandbox=name, state_dir=state, cache_dir=root / "cache")
            seconds, _, _ = await measure_gate(folder, config)
            if number:  # the first ones build the environment and show that tools can fail
                out[name].append(seconds)
    return out


def main() -> None:
    """Print what each mechanism costs; about two minutes."""
    with tempfile.TemporaryDirectory(prefix="pev-bench-sandbox-") as name:
        found = asyncio.run(measure(Path(name)))
        gates = asyncio.run(measure_gates(Path(name)))
    plain = statistics.median(found["none"])
    print(f"{'mechanism':12} {'median ms':>10} {'best ms':>8} {'ratio':>6} {'more ms':>8} (aim: {AIM_MS:g})")
    for name, times in found.items():
        median = statistics.median(times)
        print(f"{name:12} {median:10.1f} {min(times):8.1f} {median / plain:6.1f} {median - plain:8.1f}")
    print(f"{'mechanism':12} {'gate, s':>10} {'more %':>8} (aim: {AIM_PER_CENT:g}; median of pairs)")
    for name, times in gates.items():
        more = statistics.median(own / plain for own, plain in zip(times, gates["none"], strict=True)) - 1
        print(f"{name:12} {statistics.median(times):10.2f} {100 * more:8.1f}")


if __name__ == "__main__":
    main()
