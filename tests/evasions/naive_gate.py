"""The gate of the seed: six commands in the worktree, judged by their exit codes.

    python naive_gate.py WORKTREE

Exit code 0 when every command gave 0. The tools come from the project's own environment where it has one, as
they would for a person who activated it. `NAIVE_DEPS=1` runs pip-audit too, which looks at the installed
packages; the other cases do without it, since no change in a worktree ever turns it red.
"""

import os
import subprocess
import sys
from pathlib import Path

CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy", "."],
    "tests": ["pytest", "-q", "--cov", "--cov-fail-under=80"],
    "security": ["bandit", "-r", ".", "-ll"],
    "deps": ["pip-audit"],
}


def main(worktree: Path) -> int:
    env = dict(os.environ)
    own = worktree / ".venv" / "bin"
    env["PATH"] = os.pathsep.join([*([str(own)] if own.is_dir() else []), str(Path(sys.executable).parent), env["PATH"]])
    failed = []
    for name, argv in CHECKS.items():
        if name == "deps" and env.get("NAIVE_DEPS") != "1":
            continue
        done = subprocess.run(argv, cwd=worktree, env=env, capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            failed.append(name)
            print(f"== {name}: exit {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")
    print("FAILED: " + ", ".join(failed) if failed else "PASSED")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
