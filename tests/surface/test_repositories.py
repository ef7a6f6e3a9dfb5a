"""Which repositories may be touched: the working directory's, the named, and allowed roots; nothing else."""

from pathlib import Path

import pytest

from support.clients import ERAS, Era, call, connected, refusal
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host


@pytest.fixture
def other(tmp_path: Path) -> UserRepoFixture:
    return UserRepoFixture.python_project(tmp_path / "other")


@pytest.mark.parametrize("era", ERAS)
async def test_only_named_repositories_are_found(
    era: Era, user_repo: UserRepoFixture, other: UserRepoFixture
) -> None:
    async with connected("stdio", user_repo.path, "--repo", f"second={other.path}", era=era) as client:
        for repo in ("second", "project", str(other.path), None):
            arguments = {"repo": repo} if repo else {}
            draft = await call(client, "draft_plan", task="x", **arguments)
            assert draft["run"]["repo"] == ("project" if repo in (None, "project") else "second")
    async with connected("stdio", user_repo.path, era=era) as client:
        said = await refusal(client, "draft_plan", task="x", repo=str(other.path))
    assert said.startswith("[repo.unknown]")
    assert "project" in said


async def test_a_run_of_a_repository_that_is_no_longer_allowed_cannot_go_on(
    user_repo: UserRepoFixture, other: UserRepoFixture
) -> None:
    async with connected("stdio", user_repo.path, "--repo", f"second={other.path}") as client:
        run_id = (await call(client, "draft_plan", task="x", repo="second"))["run"]["run_id"]
    async with connected("stdio", user_repo.path) as client:
        prompt = await client.get_prompt("author", {"run_id": run_id})
        assert "x" in str(prompt.messages[0].content)
        with pytest.raises(Exception, match=r"\[repo\.unknown\]"):
            await client.read_resource(f"pev://runs/{run_id}/diff")


@pytest.mark.parametrize("allowed", [True, False])
async def test_roots_of_a_local_client_count_only_if_the_operator_allows_them(
    allowed: bool, user_repo: UserRepoFixture, other: UserRepoFixture, tmp_path: Path
) -> None:
    env = {"PEV_ALLOW_ROOTS": "true"} if allowed else {}
    roots = [f"file://{other.path}"]
    async with connected("stdio", user_repo.path, era="legacy", env=env, roots=roots) as client:
        if allowed:
            draft = await call(client, "draft_plan", task="x", repo=str(other.path))
            assert draft["run"]["repo"] == "other"
        else:
            said = await refusal(client, "draft_plan", task="x", repo=str(other.path))
            assert said.startswith("[repo.unknown]")


async def test_over_http_a_client_cannot_name_roots_of_the_server(
    user_repo: UserRepoFixture, other: UserRepoFixture
) -> None:
    env = {"PEV_ALLOW_ROOTS": "true"}
    roots = [f"file://{other.path}"]
    async with connected("http", user_repo.path, era="legacy", env=env, roots=roots) as client:
        said = await refusal(client, "draft_plan", task="x", repo=str(other.path))
    assert said.startswith("[repo.unknown]")


async def test_without_any_repository_the_tools_say_how_to_name_one(tmp_path: Path) -> None:
    async with connected("stdio", tmp_path) as client:
        assert len(await client.list_tools()) > 10
        said = await refusal(client, "draft_plan", task="x")
    assert said.startswith("[repo.unknown]")
    assert "--repo" in said
