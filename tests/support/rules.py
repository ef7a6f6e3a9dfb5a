"""Matches the rules of a check `security` against snippets, with the real child process."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pev.gate.patterns
from pev.gate.patterns import Patterns

_SCRIPT = Path(pev.gate.patterns.__file__).with_name("inside") / "match_rules.py"


def matched(check: type[Patterns], folder: Path, files: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Write some files and give, for each that tells something, its rules, or why it could not be read."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    asked = {
        "root": str(folder),
        "paths": ["."],
        "grammars": dict(check.grammars),
        "rules": {rule.id: rule.match for rule in check.rules},
        "tests": [{"rule": dict(one)} for one in check.tests],
        "max_bytes": 100_000,
    }
    request = folder.with_name(f"{folder.name}.json")
    request.write_text(json.dumps(asked | more))
    done = subprocess.run(
        [sys.executable, "-I", "-B", str(_SCRIPT), str(request)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[:2000]
    report = json.loads(done.stdout)
    out: dict[str, Any] = {"seen": report["seen"]}
    for file in report["files"]:
        name = Path(file["path"]).relative_to(folder).as_posix()
        out[name] = file["unread"] or file["matches"]
    return out


def rules_in(found: Any) -> set[str]:
    """Give the rules that matched in a file."""
    return {one["rule"] for one in found} if isinstance(found, list) else set()
