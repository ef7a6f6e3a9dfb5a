"""The trail over MCP: a host keeps a checkpoint, and asks later whether the record still extends it."""

from typing import Any

import pytest
from fastmcp import Client
from mcp_types import TextResourceContents

from support.clients import ERAS, Era, call, connected, refusal
from support.repos import UserRepoFixture


async def checkpoint(client: Client[Any]) -> str:
    (content,) = await client.read_resource("pev://trail/checkpoint")
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/plain"
    return content.text


@pytest.mark.parametrize("era", ERAS)
async def test_a_kept_checkpoint_is_extended_by_what_follows(era: Era, user_repo: UserRepoFixture) -> None:
    """And a forged one is not, whoever gives it."""
    async with connected("memory", user_repo.path, era=era) as client:
        kept = await checkpoint(client)
        size = int(kept.split("\n")[1])
        found = await call(client, "verify_trail", checkpoint=kept)
        assert found["intact"]
        assert found["summary"] == f"consistent; extends the checkpoint of {size} events"
        forged = kept.replace(f"\n{size}\n", f"\n{size + 1}\n")
        found = await call(client, "verify_trail", checkpoint=forged)
        assert (found["intact"], found["faults"][0]["kind"]) == (False, "wrong key")


@pytest.mark.parametrize("era", ERAS)
async def test_half_a_head_is_refused(era: Era, user_repo: UserRepoFixture) -> None:
    """Verifying without it would look like an answer to what was asked."""
    root = "0" * 64
    async with connected("memory", user_repo.path, era=era) as client:
        for arguments in ({"expected_size": 3}, {"expected_root": root}, {"checkpoint": "nonsense"}):
            assert (await refusal(client, "verify_trail", **arguments)).startswith("[input.invalid]")


@pytest.mark.parametrize("era", ERAS)
async def test_a_line_that_is_not_there_is_refused(era: Era, user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path, era=era) as client:
        said = await refusal(client, "explain_change", path="nowhere.py", line=1)
    assert said.startswith("[input.invalid]")
