"""What a scripted model says in a loop: a plan, tests, a wrong change, the right one, reviews."""

import json
from typing import Any, Final

from support.plans import PLAN

POLICY: Final = 'checks = ["format", "lint"]\nmax_attempts = 3\n'
TESTS: Final = (
    "def test_c1_joins() -> None:\n    from app.slug import slugify\n\n"
    "    assert slugify('Foo  BAR') == 'foo-bar'\n"
)
HEAD: Final = '"""Addresses."""\n\n\ndef slugify(text: str) -> str:\n'
WRONG: Final = f'{HEAD}    return "-".join(text.split())\n'
RIGHT: Final = f'{HEAD}    return "-".join(text.lower().split())\n'
ACCEPT: Final = json.dumps({"verdict": "ACCEPT", "summary": "as planned"})
REJECT: Final = json.dumps(
    {
        "verdict": "REJECT",
        "summary": "not as planned",
        "objections": [{"path": "src/app/slug.py", "line": 5, "message": "capitals are kept"}],
    }
)


def writes(text: str, path: str = "src/app/slug.py") -> list[tuple[str, dict[str, Any]]]:
    """Give the tool calls of a step that writes a file."""
    return [("write_file", {"path": path, "content": text})]


FIXES: Final = (writes(WRONG), "done", [("read_file", {"path": "src/app/slug.py"})], writes(RIGHT), "fixed")


def script(**changes: Any) -> dict[str, Any]:
    """Give what each role says: the author is wrong first, and then right."""
    said: dict[str, Any] = {
        "planner": f"```json\n{json.dumps(PLAN)}\n```",
        "tester": TESTS,
        "author": FIXES,
        "reviewer": ACCEPT,
        "security reviewer": ACCEPT,
    }
    return {**said, **changes}
