"""Names in a depot: what the user means by them, which ref is trusted, and which refs are ours."""

from pathlib import Path

import pytest

from pev.errors import RefInvalid, RefNotFound
from support.depots import commit_of, depot_of, tree_of
from support.repos import UserRepoFixture


async def test_names_mean_what_the_user_means(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    first = commit_of(user_repo)
    user_repo.git("tag", "-a", "-m", "one", "v1")
    second = user_repo.commit("second", {"b.txt": "2"})
    user_repo.git("update-ref", "refs/remotes/origin/main", first)
    user_repo.git("checkout", "-q", "--detach", first)
    third = user_repo.commit("detached", {"c.txt": "3"})
    depot = await depot_of(user_repo, tmp_path / "state")
    named = {
        "main": second,
        "refs/heads/main": second,
        "main~1": first,
        "main^": first,
        "v1": first,
        "origin/main": first,
        "HEAD": third,
        second: second,
        second[:10]: second,
        f"{second[:10]}~1": first,
    }
    for rev, commit in named.items():
        assert await depot.resolve(rev) == commit, rev


async def test_a_whole_id_is_never_a_branch(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """A branch that is named like a commit must not stand in for it."""
    first = commit_of(user_repo)
    second = user_repo.commit("second", {"b.txt": "2"})
    user_repo.git("update-ref", f"refs/heads/{first}", second)
    depot = await depot_of(user_repo, tmp_path / "state")
    assert await depot.resolve(first) == first


@pytest.mark.parametrize("rev", ["nope", "v9~1", "0000000", "f" * 40, "main~99", "refs/pev/x"])
async def test_a_name_that_does_not_exist_says_what_does(
    user_repo: UserRepoFixture, tmp_path: Path, rev: str
) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    with pytest.raises(RefNotFound, match="it has HEAD, heads/main"):
        await depot.resolve(rev)


async def test_a_blob_or_tree_is_no_commit(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    with pytest.raises(RefNotFound):
        await depot.resolve(tree_of(user_repo))
    with pytest.raises(RefInvalid):
        await depot.resolve("main:README.md")


async def test_the_remotes_default_branch_is_trusted_first(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """A local branch is the user's, and their agents', to move."""
    far = commit_of(user_repo)
    user_repo.git("update-ref", "refs/remotes/origin/trunk", far)
    user_repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    near = user_repo.commit("local", {"b.txt": "2"})
    depot = await depot_of(user_repo, tmp_path / "state")
    assert await depot.trusted() == ("refs/remotes/origin/trunk", far)
    assert await depot.trusted("main") == ("refs/heads/main", near)
    assert await depot.trusted("origin/trunk") == ("refs/remotes/origin/trunk", far)


async def test_without_a_remote_main_then_master_then_the_only_branch(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    commit = commit_of(user_repo)
    depot = await depot_of(user_repo, tmp_path / "state")
    user_repo.git("branch", "master")
    await depot.refresh()
    assert await depot.trusted() == ("refs/heads/main", commit)
    user_repo.git("branch", "-m", "main", "zig")
    await depot.refresh()
    assert await depot.trusted() == ("refs/heads/master", commit)
    user_repo.git("branch", "-m", "master", "other")
    await depot.refresh()
    assert await depot.trusted() == ("refs/heads/zig", commit), "the branch of HEAD"
    user_repo.git("branch", "-D", "other")
    user_repo.git("branch", "agent/0123abcd")
    await depot.refresh()
    assert await depot.trusted() == ("refs/heads/zig", commit), "branches of ours do not count"


async def test_a_detached_head_is_fine_while_something_can_be_trusted(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    commit = commit_of(user_repo)
    user_repo.git("checkout", "-q", "--detach")
    user_repo.git("branch", "-m", "main", "a")
    user_repo.git("branch", "b")
    depot = await depot_of(user_repo, tmp_path / "state")
    with pytest.raises(RefNotFound, match="HEAD is detached; it has HEAD, heads/a, heads/b") as caught:
        await depot.trusted()
    assert "trusted_ref" in caught.value.hint
    assert await depot.trusted("a") == ("refs/heads/a", commit)
    user_repo.git("update-ref", "refs/remotes/origin/main", commit)
    await depot.refresh()
    assert await depot.trusted() == ("refs/remotes/origin/main", commit)


async def test_a_trusted_ref_that_does_not_exist_is_an_error(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    with pytest.raises(RefNotFound, match="trusted ref 'gone'"):
        await depot.trusted("gone")


async def test_only_refs_of_ours_are_written(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    depot = await depot_of(user_repo, tmp_path / "state")
    commit = commit_of(user_repo)
    await depot.keep("refs/pev/runs/0123abcd", commit)
    assert await depot.refs_under("refs/pev/runs") == {"refs/pev/runs/0123abcd": commit}
    await depot.drop("refs/pev/runs/0123abcd", "refs/pev/absent")
    assert await depot.refs_under("refs/pev/runs") == {}
    for ref in ("refs/heads/main", "refs/pev/user/heads/main", "refs/pev/../heads/x", "-x"):
        with pytest.raises(RefInvalid):
            await depot.keep(ref, commit)
