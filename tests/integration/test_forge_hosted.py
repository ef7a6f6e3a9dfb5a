"""Pull requests at a forge: opened once, updated after, read back; with limits and faults."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.config import Config, ForgeSettings, load_config
from pev.errors import ConfigInvalid, ForgeBusy, ForgeRefused
from pev.forge import rest
from pev.forge.interface import Forge
from pev.forge.select import forge_of
from pev.repos.depot import Depot
from pev.run import PrState
from support.depots import depot_of, git_in
from support.forges import BRANCH, RUN, TOKEN, ForgeFixture, serve_forge, wanted
from support.repos import UserRepoFixture


@pytest.fixture(params=["github", "gitlab"])
def forge(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgeFixture]:
    monkeypatch.setenv("PEV_FORGE_TOKEN", TOKEN)
    monkeypatch.setattr(rest, "_MOST_WAIT_S", 3.0)
    monkeypatch.setattr(rest, "_FIRST_PAUSE_S", 0.01)
    with serve_forge(request.param) as served:
        yield served


@pytest.fixture
async def depot(user_repo: UserRepoFixture, tmp_path: Path) -> Depot:
    """A depot of a repository whose remote is a bare one on this disk."""
    git_in(tmp_path, "init", "-q", "--bare", "far.git")
    user_repo.git("remote", "add", "origin", str(tmp_path / "far.git"))
    user_repo.git("push", "-q", "origin", "main")
    return await depot_of(user_repo, tmp_path / "state")


def configured(forge: ForgeFixture, **more: object) -> Config:
    settings = {"kind": forge.kind, "api_url": forge.url, "project": "acme/app", **more}
    return load_config(forge=ForgeSettings.model_validate(settings))


def head(forge: ForgeFixture, **changes: object) -> None:
    """Change what the forge tells of its first pull request."""
    if forge.kind == "gitlab":
        names = {"by": "merge_user", "commit": "merge_commit_sha", "head": "sha"}
        forge.pulls[0] |= {names.get(key, key): value for key, value in changes.items()}
        return
    if "head" in changes:
        forge.pulls[0]["head"]["sha"] = changes["head"]
    if changes.get("state") == "merged":
        forge.pulls[0] |= {
            "state": "closed",
            "merged_at": "2026-01-02T03:04:05Z",
            "merged_by": changes["by"],
            "merge_commit_sha": changes["commit"],
        }
    elif "state" in changes:
        forge.pulls[0]["state"] = changes["state"]


async def test_a_second_call_updates_what_the_first_opened(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    ours = forge_of(configured(forge, draft=True, labels=("pev",), reviewers=("ada",)))
    request = await wanted(depot, user_repo)

    first = await ours.open(depot, request)
    again = await ours.open(depot, request.model_copy(update={"body": "a better why"}))

    assert (first, len(forge.pulls)) == (again, 1)
    assert (first.number, first.forge, first.head) == (1, forge.kind, "")
    assert forge.pulls[0]["description" if forge.kind == "gitlab" else "body"] == "a better why"
    if forge.kind == "gitlab":
        assert (forge.pulls[0]["title"], forge.pulls[0]["reviewers"]) == ("Draft: A change", [{"id": 7}])
        assert forge.pulls[0]["add_labels"] == "pev"
    else:
        assert forge.pulls[0]["draft"] is True
        # with each call: the first may have been broken off between the two requests
        assert forge.pulls[0]["labels"] == [{"labels": ["pev"]}] * 2
        assert forge.pulls[0]["requested_reviewers"] == [{"reviewers": ["ada"], "team_reviewers": []}] * 2
    far = tmp_path / "far.git"
    assert git_in(far, "rev-parse", BRANCH).strip() == request.commit
    assert git_in(far, "notes", f"--ref=pev/{RUN}", "show", request.commit).strip() == "why"


@pytest.mark.parametrize("forge", ["gitlab"], indirect=True)
@pytest.mark.parametrize(("there", "after"), [([7, 9], [7, 9]), ([9], [9, 7]), ([], [7])])
async def test_reviewers_whom_a_person_asked_stay(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture, there: list[int], after: list[int]
) -> None:
    """The list that GitLab is sent replaces the one that is there."""
    ours = forge_of(configured(forge, reviewers=("ada",)))
    request = await wanted(depot, user_repo)
    await ours.open(depot, request)
    forge.pulls[0]["reviewers"] = [{"id": one} for one in there]
    await ours.open(depot, request)
    assert [one["id"] for one in forge.pulls[0]["reviewers"]] == after


async def test_a_call_that_lost_a_race_takes_the_winner_s(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture
) -> None:
    """Both saw none; the forge takes the first, and tells the second that it is there."""
    ours = forge_of(configured(forge))
    request = await wanted(depot, user_repo)
    await ours.open(depot, request)
    forge.faults = [(200, {}, []), (422, {}, {"message": "it exists already"})]

    again = await ours.open(depot, request)

    assert (again.number, len(forge.pulls)) == (1, 1)


@pytest.mark.parametrize("state", ["merged", "closed", "open"])
async def test_what_became_of_it_is_read_from_the_forge(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture, state: str
) -> None:
    ours = forge_of(configured(forge))
    opened = await ours.open(depot, await wanted(depot, user_repo))
    head(forge, head=opened.commit)
    if state != "open":
        name = {"username" if forge.kind == "gitlab" else "login": "grace"}
        head(forge, state=state, by=name, commit="b" * 40)

    seen = await ours.sync(depot, opened, "main")

    assert seen.state == state
    assert seen.warning == ""
    assert (seen.merged_by, seen.merge_commit) == (("grace", "b" * 40) if state == "merged" else ("", ""))


async def test_a_push_after_the_gate_is_told_loudly(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture
) -> None:
    ours = forge_of(configured(forge))
    opened = await ours.open(depot, await wanted(depot, user_repo))
    head(forge, head="c" * 40)

    seen = await ours.sync(depot, opened, "main")

    assert seen.warning.startswith("NOT COVERED")
    assert "cccccccccccc" in seen.warning


# Limits and faults


async def opened_after(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture, *faults: tuple[int, dict[str, str]]
) -> PrState:
    forge.faults = [(status, headers, {"message": "slow down"}) for status, headers in faults]
    return await forge_of(configured(forge)).open(depot, await wanted(depot, user_repo))


async def test_a_limit_is_waited_for_as_long_as_the_forge_says(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture
) -> None:
    soon = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()))}

    opened = await opened_after(forge, depot, user_repo, (429, {"retry-after": "0"}), (403, soon), (503, {}))

    assert opened.number == 1


async def test_a_limit_that_only_the_message_names_is_waited_for(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub's secondary limits may come without any header."""
    monkeypatch.setattr("pev.forge.rest._UNTOLD_S", 0.01)
    told = {"message": "You have exceeded a secondary rate limit."}
    forge.faults = [(403, {}, told)]

    opened = await forge_of(configured(forge)).open(depot, await wanted(depot, user_repo))

    assert opened.number == 1


async def test_a_limit_of_an_hour_is_an_error_that_says_so(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture
) -> None:
    with pytest.raises(ForgeBusy, match="3600 s"):
        await opened_after(forge, depot, user_repo, (403, {"retry-after": "3600"}))


async def test_a_refusal_is_told_with_the_forge_s_words(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture
) -> None:
    """403 without a word of limits is no limit."""
    with pytest.raises(ForgeRefused, match="slow down"):
        await opened_after(forge, depot, user_repo, (403, {}))


async def test_a_renamed_project_is_followed_and_another_server_is_not(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture
) -> None:
    """The credential goes to the configured address alone."""
    place = forge.url + (
        "/repos/acme/app/pulls" if forge.kind == "github" else "/projects/acme%2Fapp/merge_requests"
    )
    place += f"?head=acme:{BRANCH}&source_branch={BRANCH}"
    opened = await opened_after(forge, depot, user_repo, (301, {"location": place}))
    with serve_forge(forge.kind) as other, pytest.raises(ForgeRefused):
        await opened_after(forge, depot, user_repo, (301, {"location": other.url}))

    assert opened.number == 1
    assert other.asked == []


async def test_a_forge_that_is_not_there_loses_nothing(
    depot: Depot, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The branch is out already; the next call completes the work."""
    monkeypatch.setenv("PEV_FORGE_TOKEN", TOKEN)
    monkeypatch.setattr(rest, "_TRIES", 1)
    with serve_forge("github") as gone:
        config = configured(gone)
    request = await wanted(depot, user_repo)

    with pytest.raises(ForgeBusy):
        await forge_of(config).open(depot, request)

    assert git_in(tmp_path / "far.git", "rev-parse", BRANCH).strip() == request.commit


# The credential


def settings_of(tmp_path: Path, way: str) -> dict[str, object]:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n", encoding="utf-8")
    file.chmod(0o600)
    return {"token_file": file} if way == "file" else {"token_command": ("cat", str(file))}


@pytest.mark.parametrize("way", ["file", "command"])
async def test_the_token_comes_from_where_the_operator_says(
    forge: ForgeFixture,
    depot: Depot,
    user_repo: UserRepoFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    way: str,
) -> None:
    monkeypatch.delenv("PEV_FORGE_TOKEN")
    ours = forge_of(configured(forge, **settings_of(tmp_path, way)))

    assert (await ours.open(depot, await wanted(depot, user_repo))).number == 1


async def refusal(ours: Forge, depot: Depot, user_repo: UserRepoFixture) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        await ours.open(depot, await wanted(depot, user_repo))
    return str(caught.value)


async def test_a_token_that_others_can_read_is_refused(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, "file")
    (tmp_path / "token").chmod(0o644)

    said = await refusal(forge_of(configured(forge, **settings)), depot, user_repo)

    assert "others may read" in said
    assert TOKEN not in said


async def test_without_a_token_nothing_is_pushed(
    forge: ForgeFixture,
    depot: Depot,
    user_repo: UserRepoFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("PEV_FORGE_TOKEN")

    said = await refusal(forge_of(configured(forge)), depot, user_repo)

    assert "PEV_FORGE_TOKEN" in said
    assert git_in(tmp_path / "far.git", "for-each-ref", "refs/heads/agent") == ""


def test_no_command_may_be_given_the_token() -> None:
    with pytest.raises(ConfigInvalid, match="PEV_FORGE_TOKEN"):
        load_config(pass_env=("PEV_FORGE_TOKEN",))


async def test_a_remote_of_another_forge_is_refused(
    forge: ForgeFixture, depot: Depot, user_repo: UserRepoFixture
) -> None:
    """Else a pull request would be opened in a project that only has the same name."""
    user_repo.git("remote", "set-url", "origin", "https://elsewhere.example/acme/app.git")

    with pytest.raises(ForgeRefused, match=r"elsewhere\.example"):
        await forge_of(configured(forge, project=None)).open(depot, await wanted(depot, user_repo))
