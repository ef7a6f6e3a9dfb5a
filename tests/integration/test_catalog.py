"""Which repositories may be touched: the named ones and no other."""

from pathlib import Path

import pytest

from pev.errors import RepoUnknown, RepoUnusable
from pev.repos.catalog import Catalog
from support.repos import UserRepoFixture


@pytest.fixture
def other(tmp_path: Path) -> UserRepoFixture:
    """A second repository."""
    return UserRepoFixture.python_project(tmp_path / "other")


async def test_the_working_directory_is_the_default(
    user_repo: UserRepoFixture, other: UserRepoFixture
) -> None:
    catalog = await Catalog.of({"second": other.path}, working_directory=user_repo.path / "src")
    assert catalog.names == ("project", "second")
    assert (await catalog.find()).root == user_repo.path
    assert (await catalog.find("second")).name == "second"


async def test_a_named_repository_is_not_listed_twice(user_repo: UserRepoFixture) -> None:
    """Started in a repository that is also configured, it keeps the operator's name."""
    catalog = await Catalog.of({"mine": user_repo.path}, working_directory=user_repo.path)
    assert catalog.names == ("mine",)
    assert (await catalog.find()).name == "mine"


async def test_the_only_one_needs_no_name(other: UserRepoFixture, tmp_path: Path) -> None:
    catalog = await Catalog.of({"second": other.path}, working_directory=tmp_path)
    assert (await catalog.find()).name == "second"


async def test_among_several_one_must_be_named(user_repo: UserRepoFixture, other: UserRepoFixture) -> None:
    catalog = await Catalog.of({"a": user_repo.path, "b": other.path})
    with pytest.raises(RepoUnknown, match="no repository was named") as caught:
        await catalog.find()
    assert "Allowed: a, b" in caught.value.hint


async def test_an_empty_catalog_says_how_to_fill_it() -> None:
    with pytest.raises(RepoUnknown, match="no repository is allowed") as caught:
        await Catalog().find()
    assert "--repo" in caught.value.hint


async def test_a_path_must_lie_in_an_allowed_repository(
    user_repo: UserRepoFixture, other: UserRepoFixture
) -> None:
    catalog = await Catalog.of({"mine": user_repo.path})
    assert (await catalog.find(str(user_repo.path / "src" / "app"))).name == "mine"
    for name in (str(other.path), "/", "/a\0b", "/\ud800", "second", "../other"):
        with pytest.raises(RepoUnknown):
            await catalog.find(name)


async def test_what_is_not_allowed_is_not_described_either(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    """A caller must not learn from the error what lies elsewhere on the disk."""
    UserRepoFixture.empty(tmp_path / "empty")
    catalog = await Catalog.of({"mine": user_repo.path})
    messages = []
    for path in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(RepoUnknown) as caught:
            await catalog.find(str(path))
        messages.append(caught.value.message.replace(str(path), "X"))
    assert len(set(messages)) == 1


async def test_a_linked_worktree_of_an_allowed_repository_is_allowed(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    user_repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    catalog = await Catalog.of({"mine": user_repo.path})
    found = await catalog.find(str(tmp_path / "side"))
    assert (found.root, found.name) == (tmp_path / "side", "mine")


async def test_a_link_to_elsewhere_inside_is_elsewhere(
    user_repo: UserRepoFixture, other: UserRepoFixture
) -> None:
    (user_repo.path / "door").symlink_to(other.path)
    catalog = await Catalog.of({"mine": user_repo.path})
    with pytest.raises(RepoUnknown):
        await catalog.find(str(user_repo.path / "door"))


async def test_a_nested_repository_is_another_one(user_repo: UserRepoFixture) -> None:
    UserRepoFixture.python_project(user_repo.path / "vendor")
    catalog = await Catalog.of({"mine": user_repo.path})
    with pytest.raises(RepoUnknown):
        await catalog.find(str(user_repo.path / "vendor"))


async def test_roots_count_only_with_the_operators_leave(
    user_repo: UserRepoFixture, other: UserRepoFixture
) -> None:
    roots = [other.path, Path("relative")]
    assert (await Catalog.of({"mine": user_repo.path})).with_roots(roots).names == ("mine",)
    catalog = (await Catalog.of({"mine": user_repo.path}, allow_roots=True)).with_roots(roots)
    assert catalog.names == ("mine", "other")
    assert catalog.with_roots(roots).names == ("mine", "other")
    assert (await catalog.find("other")).root == other.path


async def test_a_root_that_bears_a_taken_name_gets_its_own(
    user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    twin = UserRepoFixture.python_project(tmp_path / "x" / "project")
    catalog = (await Catalog.of({"project": user_repo.path}, allow_roots=True)).with_roots([twin.path])
    assert catalog.names == ("project", "project-2")


async def test_an_allowed_folder_without_a_repository_says_so(tmp_path: Path) -> None:
    catalog = await Catalog.of({"mine": tmp_path})
    with pytest.raises(RepoUnusable):
        await catalog.find("mine")
    with pytest.raises(RepoUnusable):
        await catalog.find(str(tmp_path))
