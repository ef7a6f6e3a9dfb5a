"""Runs the benchmarks that are named, or all: `python -m benchmarks [NAME ...]`."""

import importlib
import sys

NAMES = ("cold_start", "trail", "worktree", "sandbox", "gate")
BY_NAME = ("projects", "trail_million")
"""Benchmarks that need a package index, or a quarter of an hour, and run only when they are named."""


def main() -> int:
    """Run benchmarks one after another; each prints its own ratios."""
    chosen = sys.argv[1:] or list(NAMES)
    unknown = [name for name in chosen if name not in (*NAMES, *BY_NAME)]
    if unknown:
        known = ", ".join((*NAMES, *BY_NAME))
        print(f"no benchmark {unknown[0]!r}; there are: {known}", file=sys.stderr)
        return 2
    for name in chosen:
        print(f"\n## {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
