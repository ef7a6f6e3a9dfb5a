"""The user's repository: found and described without running anything of it, or refused with the reason."""

import os
import subprocess
from pathlib import Path

import pytest

from pev.errors import RepoUnusable
from pev.repos.source import RUN_MARK, git_version, locate, open_for_reading, remote_url, uncommitted
from support.depots import commit_of
from support.hostile import photograph
from support.repos import UserRepoFixture


async def test_a_repository_is_found_from_any_folder_in_it(user_repo: UserRepoFixture) -> None:
    repo = await locate(user_repo.path / "src" / "app")
    assert repo.root == user_repo.path
    assert (repo.name, repo.head_branch, repo.head_commit) == ("project", "main", commit_of(user_repo))
    assert repo.common_dir == user_repo.path / ".git"
    assert len(repo.id) == 12
    assert not repo.linked


async def test_all_checkouts_of_a_repository_have_one_id(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """What is known of a repository is shared by its worktrees, but each has its own files and HEAD."""
    user_repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = await locate(tmp_path / "side")
    main = await locate(user_repo.path)
    assert side.id == main.id
    assert side.linked
    assert (side.root, side.head_branch) == (tmp_path / "side", "side")


async def test_a_checkout_of_a_bare_repository_is_usable(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """Many people keep a bare repository with one worktree per branch."""
    user_repo.git("clone", "-q", "--bare", str(user_repo.path), str(tmp_path / "bare.git"))
    bare = UserRepoFixture(tmp_path / "bare.git")
    bare.git("worktree", "add", "-q", str(tmp_path / "main"), "main")
    assert (await locate(tmp_path / "main")).head_branch == "main"


async def test_a_separate_git_directory_is_found(tmp_path: Path) -> None:
    repo = UserRepoFixture(tmp_path / "w")
    repo.path.mkdir()
    repo.git("init", "-q", "-b", "main", f"--separate-git-dir={tmp_path / 'elsewhere'}")
    repo.commit("first", {"a": "1"})
    assert (await locate(repo.path)).common_dir == tmp_path / "elsewhere"


async def test_what_is_no_repository_is_refused(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path, "not in a git repository"),
        (tmp_path / "absent", "cannot be opened"),
        (Path("/a\0b"), "cannot be opened"),
    ):
        with pytest.raises(RepoUnusable, match=reason) as caught:
            await locate(path)
        assert caught.value.hint


async def test_bare_repositories_and_git_directories_are_refused(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    user_repo.git("clone", "-q", "--bare", str(user_repo.path), str(tmp_path / "bare.git"))
    with pytest.raises(RepoUnusable, match="is a bare repository"):
        await locate(tmp_path / "bare.git")
    with pytest.raises(RepoUnusable, match="inside a git directory"):
        await locate(user_repo.path / ".git" / "objects")


async def test_an_empty_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepoUnusable, match="has no commit"):
        await locate(UserRepoFixture.empty(tmp_path / "empty").path)


async def test_a_branch_without_commits_beside_others_is_no_empty_repository(
    user_repo: UserRepoFixture,
) -> None:
    user_repo.git("checkout", "-q", "--orphan", "fresh")
    repo = await locate(user_repo.path)
    assert repo.head_commit is None
    assert await uncommitted(repo) == ()


async def test_a_shallow_or_partial_clone_is_refused(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """Neither has all the objects that a depot copies."""
    user_repo.commit("second", {"b": "2"})
    url = f"file://{user_repo.path}"
    user_repo.git("clone", "-q", "--depth=1", url, str(tmp_path / "shallow"))
    with pytest.raises(RepoUnusable, match="is a shallow clone"):
        await locate(tmp_path / "shallow")
    user_repo.git("config", "uploadpack.allowFilter", "true")
    user_repo.git("clone", "-q", "--filter=blob:none", url, str(tmp_path / "partial"))
    with pytest.raises(RepoUnusable, match="is a partial clone"):
        await locate(tmp_path / "partial")
    with pytest.raises(RepoUnusable, match="is a partial clone"):
        await open_for_reading(tmp_path / "partial")
    await open_for_reading(tmp_path / "shallow")


async def test_a_detached_head_is_described_as_such(user_repo: UserRepoFixture) -> None:
    user_repo.git("checkout", "-q", "--detach")
    repo = await locate(user_repo.path)
    assert repo.head_branch is None
    assert repo.head_commit == commit_of(user_repo)


async def test_a_git_file_cannot_claim_a_repository_that_does_not_know_it(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """Else a folder with one file in it would be taken for a checkout of somebody's repository."""
    user_repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    thief = tmp_path / "thief"
    thief.mkdir()
    (thief / ".git").write_bytes((tmp_path / "side" / ".git").read_bytes())
    with pytest.raises(RepoUnusable, match="is not a worktree that"):
        await locate(thief)
    (thief / ".git").write_text("gitdir: /nowhere\n", "utf-8")
    with pytest.raises(RepoUnusable, match="leads to no repository"):
        await locate(thief)


async def test_the_work_tree_that_a_configuration_names_is_not_believed(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """`core.worktree` could name any folder of the user's as the files of a repository."""
    (tmp_path / "private").mkdir()
    user_repo.git("config", "core.worktree", str(tmp_path / "private"))
    assert (await locate(user_repo.path)).root == user_repo.path


async def test_a_worktree_of_a_run_is_not_a_repository_of_the_user(user_repo: UserRepoFixture) -> None:
    (user_repo.path / ".git" / RUN_MARK).write_text("0123abcd\n", "ascii")
    with pytest.raises(RepoUnusable, match="run '0123abcd'"):
        await locate(user_repo.path)


async def test_a_broken_configuration_is_an_error_with_gits_words(user_repo: UserRepoFixture) -> None:
    (user_repo.path / ".git" / "config").write_text("[core\n", "utf-8")
    with pytest.raises(RepoUnusable, match="bad config line 1"):
        await locate(user_repo.path)


async def test_remote_urls_are_read_as_they_stand(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    """The last push URL, else the first URL; relative paths become absolute; includes are not followed."""
    user_repo.git("remote", "add", "origin", "https://example.invalid/a.git")
    user_repo.git("remote", "add", "near", "../near.git")
    user_repo.git("remote", "add", "ssh", "git@example.invalid:a/b.git")
    included = tmp_path / "included"
    included.write_text('[remote "sly"]\n\turl = https://example.invalid/sly\n', "utf-8")
    user_repo.git("config", "include.path", str(included))
    repo = await locate(user_repo.path)
    assert await remote_url(repo, "origin") == "https://example.invalid/a.git"
    assert await remote_url(repo, "near") == str(tmp_path / "near.git")
    assert await remote_url(repo, "ssh") == "git@example.invalid:a/b.git"
    assert await remote_url(repo, "sly") is None
    user_repo.git("config", "remote.origin.pushurl", "https://example.invalid/push.git")
    assert await remote_url(repo, "origin") == "https://example.invalid/push.git"


async def test_uncommitted_work_is_listed_and_nothing_is_touched(user_repo: UserRepoFixture) -> None:
    user_repo.write({"README.md": "changed\n", "new.txt": "x", "staged.txt": "y", "__pycache__/x.pyc": "z"})
    (user_repo.path / "tests" / "test_calc.py").unlink()
    user_repo.git("add", "staged.txt")
    before = photograph(user_repo.path)
    found = await uncommitted(await locate(user_repo.path))
    assert found == ("README.md", "new.txt", "staged.txt", "tests/test_calc.py")
    assert photograph(user_repo.path) == before


async def test_a_clean_checkout_has_no_uncommitted_work(user_repo: UserRepoFixture) -> None:
    """Also where line ends are converted, files were touched, or the index is split."""
    user_repo.commit("attributes", {".gitattributes": "*.txt text eol=crlf\n", "a.txt": "1\n"})
    (user_repo.path / "a.txt").unlink()
    user_repo.git("checkout", "-q", "--", "a.txt")
    assert (user_repo.path / "a.txt").read_bytes() == b"1\r\n"
    os.utime(user_repo.path / "a.txt")
    repo = await locate(user_repo.path)
    assert await uncommitted(repo) == ()
    user_repo.git("update-index", "--split-index")
    assert await uncommitted(repo) == ()
    (user_repo.path / ".git" / "index").unlink()
    assert await uncommitted(repo) == ()


async def test_what_the_user_ignores_privately_is_not_reported(
    user_repo: UserRepoFixture, own_home: Path
) -> None:
    """Their own exclude file and their global one say which files are nobody's business."""
    (user_repo.path / ".git" / "info" / "exclude").write_text("private.txt\n", "utf-8")
    (own_home / ".config" / "git").mkdir(parents=True)
    (own_home / ".config" / "git" / "ignore").write_text(".idea/\n", "utf-8")
    user_repo.write({"private.txt": "x", ".idea/x.xml": "x", "public.txt": "x"})
    repo = await locate(user_repo.path)
    assert await uncommitted(repo) == ("public.txt",)
    (own_home / "other").write_text("public.txt\n", "utf-8")
    (own_home / ".gitconfig").write_text("[core]\n\texcludesFile = ~/other\n", "utf-8")
    assert await uncommitted(repo) == (".idea/",)


async def test_a_nested_repository_is_not_entered(user_repo: UserRepoFixture) -> None:
    """Git would run the inner repository's monitor there."""
    inner = UserRepoFixture.empty(user_repo.path / "inner")
    inner.commit("first", {"a": "1"})
    assert await uncommitted(await locate(user_repo.path)) == ("inner/",)


async def test_the_version_of_git_is_known() -> None:
    said = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    assert await git_version() in said
