"""The MCP surface is an API: a changed schema is a reviewed snapshot, and the README says what is there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts.generate_docs import read_surface, snapshots

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
async def surface() -> dict[str, Any]:
    return await read_surface()


@pytest.mark.parametrize("name", ["tools.json", "resources.json", "templates.json", "prompts.json"])
async def test_the_surface_is_the_snapshot(name: str, surface: dict[str, Any]) -> None:
    """After a wanted change: `make docs`, and review the difference."""
    assert snapshots(surface)[name] == (ROOT / "tests/snapshots" / name).read_text(encoding="utf-8")


async def test_every_tool_says_what_it_does_with_true_annotations_and_a_schema(
    surface: dict[str, Any],
) -> None:
    for tool in surface["tools"]:
        hints = tool["annotations"]
        assert {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} <= set(hints), tool[
            "name"
        ]
        assert len(tool["description"]) < 700, tool["name"]
        assert tool["outputSchema"]["type"] == "object", tool["name"]
        for name, schema in tool["inputSchema"].get("properties", {}).items():
            assert "description" in schema, f"{tool['name']}.{name}"


async def test_no_tool_approves_merges_or_appends_to_the_trail(surface: dict[str, Any]) -> None:
    names = {tool["name"] for tool in surface["tools"]}
    assert not [
        name for name in names if any(word in name for word in ("approve", "merge", "append", "trust"))
    ]


@pytest.mark.needs_host
def test_the_readme_is_as_generated() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
