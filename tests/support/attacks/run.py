"""Starts one attack inside a sandbox: `run.py TOPIC NAME PLACE`, PLACE being JSON."""

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Say that the attack has begun, in a file of the worktree, and run it."""
    topic, name, told = sys.argv[1:4]
    here = Path(__file__).parents[2]
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    kit = importlib.import_module("support.attacks.kit")
    module = importlib.import_module(f"support.attacks.{topic}")
    place = kit.Place(**json.loads(told))
    Path(place.work, "began").touch()
    kit.named(module, name).attack(place)


if __name__ == "__main__":
    main()
