"""Checks of a repository's own whose output is read: only what is new counts, and silence is no yes."""

import json

import pytest

from pev.findings import Outcome
from support.gates import GateFixture

TOOL = """\
import json, pathlib, sys
rows = []
for path in sorted(pathlib.Path("src").rglob("*.py")):
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if "FORBIDDEN" in text:
            place = {"artifactLocation": {"uri": str(path)}, "region": {"startLine": number}}
            row = {"ruleId": "forbidden", "message": {"text": "not here"}}
            rows.append({**row, "locations": [{"physicalLocation": place}]})
pathlib.Path("out.sarif").write_text(json.dumps({"runs": [{"results": rows}]}))
sys.exit(len(rows) > 0)
"""
POLICY = (
    'checks = []\n[[command]]\nname = "own"\nargv = ["python", "tool.py"]\n'
    'format = "sarif"\noutput = "out.sarif"\n'
)
OLD = '"""Old."""\nX = 1  # FORBIDDEN\n'


@pytest.fixture
def own_gate(gate: GateFixture) -> GateFixture:
    gate.on_base({"pev.toml": POLICY, "tool.py": TOOL, "src/app/old.py": OLD})
    return gate


async def test_only_what_is_new_counts(own_gate: GateFixture) -> None:
    """Old findings keep their names when lines move."""
    moved = await own_gate.check("own", {"src/app/old.py": f"# moved\n{OLD}"})
    added = await own_gate.check("own", {"src/app/new.py": "Y = 2  # FORBIDDEN\n"})

    assert (moved.outcome, len(moved.findings)) == (Outcome.PASSED, 1), moved
    assert added.outcome is Outcome.FAILED
    (found,) = [one for one in added.findings if one.counts()]
    assert (found.rule, found.path, found.line) == ("forbidden", "src/app/new.py", 1)


@pytest.mark.parametrize(
    "tool",
    [
        "print('all is well')\n",
        "open('out.sarif', 'w').write('fine')\n",
        "import os\nos.symlink('/etc/passwd', 'out.sarif')\n",
        "open('out.sarif', 'w').write('{\"runs\": []}')\nraise SystemExit(1)\n",
        "open('out.sarif', 'w').write('{\"runs\": []}')\nraise SystemExit(7)\n",
    ],
    ids=["no file", "another format", "a link", "silent failure", "a crash"],
)
async def test_a_tool_that_gives_no_answer_is_inconclusive(own_gate: GateFixture, tool: str) -> None:
    own_gate.on_base({"tool.py": tool})

    result = await own_gate.check("own", {"src/app/new.py": "Y = 2\n"})

    assert result.outcome is Outcome.INCONCLUSIVE, result


async def test_a_path_that_leads_out_is_not_followed(own_gate: GateFixture) -> None:
    place = {"artifactLocation": {"uri": "../../../etc/passwd"}, "region": {"startLine": 1}}
    row = {"ruleId": "r", "message": {"text": "m"}, "locations": [{"physicalLocation": place}]}
    own_gate.on_base(
        {"tool.py": f"open('out.sarif', 'w').write({json.dumps({'runs': [{'results': [row]}]})!r})\n"}
    )

    result = await own_gate.check("own", {"src/app/new.py": "Y = 2\n"}, base_commit=None)

    assert [(one.rule, one.path) for one in result.findings] == [("r", None)]
