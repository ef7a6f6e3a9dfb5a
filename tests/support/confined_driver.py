"""Runs one command in a sandbox and prints what came of it: started by `support.confined` as some user."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the command of the second argument, with the packages of the first."""
    sys.path[:0] = json.loads(sys.argv[1])
    import anyio

    from pev.errors import PevError

    request = json.loads(sys.argv[2])
    try:
        done = anyio.run(_run, request)
    except PevError as exc:
        answer = {"error": exc.code, "message": str(exc)}
    else:
        answer = {**asdict(done), "ending": str(done.ending)}
        answer["stdout"], answer["stderr"] = done.stdout.decode("latin-1"), done.stderr.decode("latin-1")
        for name in ("argv", "cut_bytes"):
            answer.pop(name)
    print(json.dumps(answer))


async def _run(request: dict[str, Any]) -> Any:
    from pev.sandbox.bubblewrap import Bubblewrap
    from pev.sandbox.cgroup import Nursery
    from pev.sandbox.interface import Command, Sandbox
    from pev.sandbox.landlock import Landlock
    from pev.sandbox.limits import Limits

    nursery = Nursery.find() if request["cgroups"] else None
    hidden = tuple(Path(one) for one in request.get("hidden", ()))
    sandbox: Sandbox
    if request["mechanism"] == "bubblewrap":
        sandbox = Bubblewrap(
            Path(request["bwrap"]), limits=Limits(**request["limits"]), hidden=hidden, nursery=nursery
        )
    else:
        private = Path(request["private"]) if "private" in request else None
        limits = Limits(**request["limits"])
        sandbox = Landlock(limits=limits, hidden=hidden, nursery=nursery, private=private)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **request.get("env", {})}
    return await sandbox.run(
        Command(
            argv=tuple(request["argv"]),
            cwd=Path(request["cwd"]),
            env=env,
            limit_s=request.get("limit_s", 30.0),
            writable=tuple(Path(one) for one in request["writable"]),
            readable=tuple(Path(one) for one in request.get("readable", ())),
            hosts=tuple(request.get("hosts", ())),
            stdin=request["stdin"].encode() if "stdin" in request else None,
        )
    )


if __name__ == "__main__":
    main()
