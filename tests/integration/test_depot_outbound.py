"""Out of a depot: one branch in the user's repository or at a remote, only forward, and nothing else."""

import os
from pathlib import Path

import pytest

from pev.errors import ForgeRefused, InvalidInput, RefInvalid
from pev.git import personal_env
from pev.models import ObjectId
from pev.repos.depot import Depot
from support.depots import commit_of, depot_of, git_in, tree_of
from support.hostile import photograph
from support.repos import UserRepoFixture

BRANCH = "agent/0123abcd"


@pytest.fixture
async def depot(user_repo: UserRepoFixture, tmp_path: Path) -> Depot:
    """The depot of the user's repository."""
    return await depot_of(user_repo, tmp_path / "state")


async def _change(
    depot: Depot, repo: UserRepoFixture, parent: ObjectId | None = None, *, title: str = "Change"
) -> ObjectId:
    """Commit the first tree again: a commit that only the depot has."""
    return await depot.commit(tree_of(repo), [parent or commit_of(repo)], title)


@pytest.fixture
def remote(user_repo: UserRepoFixture, tmp_path: Path) -> UserRepoFixture:
    """A bare repository that the user's has as its origin."""
    bare = UserRepoFixture(tmp_path / "origin.git")
    user_repo.git("clone", "-q", "--bare", str(user_repo.path), str(bare.path))
    user_repo.git("remote", "add", "origin", str(bare.path))
    return bare


async def test_a_published_branch_is_all_that_changes(depot: Depot, user_repo: UserRepoFixture) -> None:
    user_repo.write({"README.md": "work in progress\n"})
    user_repo.git("stash", "push", "-q")
    user_repo.write({"README.md": "more\n", "staged.txt": "x"})
    user_repo.git("add", "staged.txt")
    before = photograph(user_repo.path)
    commit = await _change(depot, user_repo)
    await depot.publish(commit, BRANCH)
    assert user_repo.git("rev-parse", f"refs/heads/{BRANCH}") == commit
    assert user_repo.git("log", "-1", "--format=%s", BRANCH) == "Change"
    after = photograph(user_repo.path)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    allowed = (".git/objects/", ".git/refs/heads/agent", ".git/logs/refs/heads/agent")
    assert {path for path in changed if not path.startswith(allowed)} == set()


async def test_publishing_again_is_fine_and_moves_only_forward(
    depot: Depot, user_repo: UserRepoFixture
) -> None:
    first = await _change(depot, user_repo)
    await depot.publish(first, BRANCH)
    await depot.publish(first, BRANCH)
    second = await _change(depot, user_repo, first)
    await depot.publish(second, BRANCH)
    assert user_repo.git("rev-parse", BRANCH) == second
    with pytest.raises(ForgeRefused, match="was not made"):
        await depot.publish(first, BRANCH)
    aside = await _change(depot, user_repo, title="Aside")
    with pytest.raises(ForgeRefused):
        await depot.publish(aside, BRANCH)
    assert user_repo.git("rev-parse", BRANCH) == second


async def test_a_branch_that_is_checked_out_is_not_moved(depot: Depot, user_repo: UserRepoFixture) -> None:
    """The files there would no longer be those of HEAD."""
    user_repo.git("checkout", "-q", "-b", BRANCH)
    before = photograph(user_repo.path)
    with pytest.raises(ForgeRefused):
        await depot.publish(await _change(depot, user_repo), BRANCH)
    assert photograph(user_repo.path / "src") == {
        path.removeprefix("src/"): value for path, value in before.items() if path.startswith("src/")
    }
    assert user_repo.git("status", "--porcelain") == ""


async def test_a_branch_in_the_way_is_an_error(depot: Depot, user_repo: UserRepoFixture) -> None:
    user_repo.git("branch", "agent")
    with pytest.raises(ForgeRefused):
        await depot.publish(await _change(depot, user_repo), BRANCH)


@pytest.mark.parametrize("branch", ["-x", "a..b", "../x", "x\ny"])
async def test_a_branch_to_publish_has_a_proper_name(
    depot: Depot, user_repo: UserRepoFixture, branch: str
) -> None:
    with pytest.raises(RefInvalid):
        await depot.publish(commit_of(user_repo), branch)


async def test_a_push_makes_the_branch_at_the_remote(
    depot: Depot, user_repo: UserRepoFixture, remote: UserRepoFixture
) -> None:
    commit = await _change(depot, user_repo)
    url = await depot.remote_url()
    assert url == str(remote.path)
    await depot.push(commit, BRANCH, url)
    assert remote.git("rev-parse", BRANCH) == commit
    await depot.push(commit, BRANCH, url)
    aside = await _change(depot, user_repo, title="Aside")
    with pytest.raises(ForgeRefused, match="did not take"):
        await depot.push(aside, BRANCH, url)
    assert remote.git("rev-parse", BRANCH) == commit
    assert remote.git("rev-parse", "main") == commit_of(user_repo)


@pytest.mark.parametrize("branch", ["main", "agent/x", "agent/0123abcd/x", "refs/heads/main", "-x"])
async def test_nothing_but_our_own_branches_is_pushed(
    depot: Depot, user_repo: UserRepoFixture, remote: UserRepoFixture, branch: str
) -> None:
    before = photograph(remote.path)
    with pytest.raises(RefInvalid):
        await depot.push(commit_of(user_repo), branch, str(remote.path))
    assert photograph(remote.path) == before


async def test_the_default_branch_is_never_pushed_to(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """Not even if somebody named it like one of ours."""
    user_repo.git("update-ref", f"refs/remotes/origin/{BRANCH}", "HEAD")
    user_repo.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{BRANCH}")
    depot = await depot_of(user_repo, tmp_path / "state")
    with pytest.raises(ForgeRefused, match="default branch"):
        await depot.push(commit_of(user_repo), BRANCH, "/nowhere")


@pytest.mark.parametrize("url", ["ext::sh -c touch% /tmp/x", "--receive-pack=evil", "", "a\nb"])
async def test_a_url_that_runs_something_is_no_url(
    depot: Depot, user_repo: UserRepoFixture, url: str
) -> None:
    with pytest.raises(InvalidInput):
        await depot.push(commit_of(user_repo), BRANCH, url)


async def test_an_error_of_a_push_shows_no_password(depot: Depot, user_repo: UserRepoFixture) -> None:
    url = "ftp://ada:hunter2@example.invalid/x.git"
    with pytest.raises(ForgeRefused) as caught:
        await depot.push(commit_of(user_repo), BRANCH, url)
    assert "hunter2" not in str(caught.value)
    assert "example.invalid" in str(caught.value)


async def test_a_push_takes_from_the_person_what_it_needs_and_no_more(
    depot: Depot, user_repo: UserRepoFixture, remote: UserRepoFixture, own_home: Path, tmp_path: Path
) -> None:
    """Their rewriting of URLs counts; their hooks, and anything of the repository's own, do not."""
    mark = tmp_path / "ran"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-push").write_text(f"#!/bin/sh\ntouch {mark}\n", "utf-8")
    (hooks / "pre-push").chmod(0o755)
    (own_home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n[push]\n\tfollowTags = true\n"
        f'[url "{remote.path}"]\n\tinsteadOf = short:x\n',
        "utf-8",
    )
    user_repo.git("tag", "-a", "-m", "one", "v1")
    user_repo.git("config", f"url.{tmp_path / 'thief'}.insteadOf", "short:x")
    commit = await _change(depot, user_repo)
    await depot.push(commit, BRANCH, "short:x")
    assert remote.git("rev-parse", BRANCH) == commit
    assert remote.git("tag") == ""
    assert not mark.exists()


async def test_a_credential_helper_of_the_person_is_asked(
    depot: Depot, user_repo: UserRepoFixture, own_home: Path, tmp_path: Path
) -> None:
    """It is the one program of theirs that a push may run, and it is named by them alone."""
    mark = tmp_path / "asked"
    helper = tmp_path / "helper"
    helper.write_text(f'#!/bin/sh\necho "$1" >> {mark}\n', "utf-8")
    helper.chmod(0o755)
    (own_home / ".gitconfig").write_text(f"[credential]\n\thelper = {helper}\n", "utf-8")
    env = await personal_env()
    assert env["GIT_CONFIG_COUNT"] == "1"
    assert (env["GIT_CONFIG_KEY_0"], env["GIT_CONFIG_VALUE_0"]) == ("credential.helper", str(helper))
    assert env["HOME"] == os.environ["HOME"]
    assert not mark.exists()


async def test_a_merge_is_seen_with_the_name_of_who_made_it(
    depot: Depot, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of a merge is the person who committed it, not the bot whose commit was merged."""
    commit = await depot.commit(await _other_tree(depot, user_repo), [commit_of(user_repo)], "Change")
    await depot.publish(commit, BRANCH)
    user_repo.commit("before", {"x.txt": "1"})
    await depot.refresh()
    assert await depot.has_branch(BRANCH)
    assert await depot.merged_by(commit, "main") is None
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Grace Merge")
    user_repo.git("merge", "-q", "--no-ff", "-m", "merge", BRANCH)
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Ada Test")
    for number in range(3):
        user_repo.commit(f"after {number}", {"x.txt": f"{number}"})
    user_repo.git("branch", "-D", BRANCH)
    await depot.refresh()
    assert await depot.merged_by(commit, "main") == "Grace Merge <ada@example.invalid>"
    assert not await depot.has_branch(BRANCH)


async def test_a_squashed_merge_is_seen_by_its_content(depot: Depot, user_repo: UserRepoFixture) -> None:
    commit = await depot.commit(await _other_tree(depot, user_repo), [commit_of(user_repo)], "Change")
    await depot.publish(commit, BRANCH)
    user_repo.commit("before", {"x.txt": "1"})
    user_repo.git("merge", "-q", "--squash", BRANCH)
    user_repo.commit("squashed")
    user_repo.commit("after", {"x.txt": "2"})
    await depot.refresh()
    assert await depot.merged_by(commit, "main") == "Ada Test <ada@example.invalid>"


async def test_a_fast_forward_is_a_merge_without_a_name(depot: Depot, user_repo: UserRepoFixture) -> None:
    commit = await depot.commit(await _other_tree(depot, user_repo), [commit_of(user_repo)], "Change")
    await depot.publish(commit, BRANCH)
    user_repo.git("merge", "-q", "--ff-only", BRANCH)
    await depot.refresh()
    assert await depot.merged_by(commit, "main") == ""
    user_repo.commit("after", {"x.txt": "2"})
    await depot.refresh()
    assert await depot.merged_by(commit, "main") == ""


async def test_unrelated_history_is_no_merge(depot: Depot, user_repo: UserRepoFixture) -> None:
    alone = await depot.commit(tree_of(user_repo), [], "alone")
    assert await depot.merged_by(alone, "main") is None


async def _other_tree(depot: Depot, repo: UserRepoFixture) -> ObjectId:
    blob = git_in(depot.path, "hash-object", "-w", "--stdin", stdin=b"new\n")
    listing = git_in(depot.path, "ls-tree", tree_of(repo)) + f"\n100644 blob {blob}\tnew.txt\n"
    return ObjectId(git_in(depot.path, "mktree", stdin=listing.encode()))
