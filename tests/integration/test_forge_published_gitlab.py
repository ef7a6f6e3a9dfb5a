"""What is sent to GitLab is what a maintained client of it sends, and what is read is in its types.

GitLab's own description lies in its repository, and in no package registry. The types of the npm package
@gitbeaker/core, which follow GitLab's documentation, stand in for it: the TypeScript compiler holds our
requests against them, and then the client itself makes each of them anew. Nothing of it is kept here.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest

from pev.config import ForgeSettings, load_config
from pev.forge.select import forge_of
from support.depots import depot_of, git_in
from support.forges import TOKEN, Asked, serve_forge, wanted
from support.repos import UserRepoFixture

pytestmark = [pytest.mark.needs_index, pytest.mark.needs_node, pytest.mark.slow]
PROJECT: Final = "acme/app"
CLIENT: Final = """\
import {{ Gitlab }} from "@gitbeaker/rest";
import type {{ ExpandedMergeRequestSchema }} from "@gitbeaker/core";

// what PEV reads of an answer, and as what
export const read = (one: ExpandedMergeRequestSchema): [number, ...string[]] => [
  one.iid, one.web_url, one.state, one.sha, one.source_branch,
  one.merged_by?.username ?? "", one.merge_commit_sha ?? "", one.squash_commit_sha ?? "",
];
export const draft = (one: ExpandedMergeRequestSchema): boolean => one.draft;
export const reviewers = (one: ExpandedMergeRequestSchema): number[] =>
  (one.reviewers ?? []).map((each) => each.id);

async function main(): Promise<void> {{
  const api = new Gitlab({{ host: {host}, token: {token} }});
{calls}
}}
void main();
"""


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the client and the compiler are installed."""
    folder = tmp_path_factory.mktemp("gitbeaker")
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}), encoding="utf-8")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    packages = ["@gitbeaker/core@^43", "@gitbeaker/rest@^43", "typescript@^5"]
    subprocess.run([*install, *packages], cwd=folder, check=True, timeout=300)
    return folder


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def call_of(one: Asked) -> str:
    """Write the client's call that must send this request."""
    parts = [unquote(part) for part in one.path.strip("/").split("/")]
    given = {camel(name): value for name, value in {**one.query, **(one.body or {})}.items()}
    if parts == ["users"]:
        return f"await api.Users.all({json.dumps(given)});"
    assert parts[:3] == ["projects", PROJECT, "merge_requests"], one
    where = [PROJECT, *map(int, parts[3:])]
    match one.method, len(where):
        case "GET", 1:
            return f"await api.MergeRequests.all({json.dumps({'projectId': PROJECT, **given})});"
        case "POST", 1:
            named = [given.pop(name) for name in ("sourceBranch", "targetBranch", "title")]
            return f"await api.MergeRequests.create({json.dumps([*where, *named, given])[1:-1]});"
        case "GET", 2:
            assert not given
            return f"await api.MergeRequests.show({json.dumps(where)[1:-1]});"
        case "PUT", 2:
            return f"await api.MergeRequests.edit({json.dumps([*where, given])[1:-1]});"
    raise AssertionError(f"the client has no call for {one.method} {one.path}")


def compiled(client: Path, host: str, calls: list[str]) -> subprocess.CompletedProcess[str]:
    """Write the program, and have the compiler check and translate it."""
    lines = "\n".join(f"  {call}" for call in calls)
    text = CLIENT.format(host=json.dumps(host), token=json.dumps(TOKEN), calls=lines)
    (client / "ask.ts").write_text(text, encoding="utf-8")
    options = ["--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
    options += ["--moduleResolution", "nodenext", "--noEmitOnError", "--lib", "es2022,dom"]
    tsc = ["node", "node_modules/typescript/bin/tsc", *options, "ask.ts"]
    return subprocess.run(tsc, cwd=client, capture_output=True, text=True, timeout=300)


async def asked_by_us(user_repo: UserRepoFixture, folder: Path) -> list[Asked]:
    """Open a merge request, open it again, and sync it; give what GitLab was asked."""
    git_in(folder, "init", "-q", "--bare", "far.git")
    user_repo.git("remote", "add", "origin", str(folder / "far.git"))
    depot = await depot_of(user_repo, folder / "state")
    with serve_forge("gitlab") as forge:
        settings = ForgeSettings(
            kind="gitlab",
            api_url=f"{forge.url}/v4",
            project=PROJECT,
            draft=True,
            labels=("pev", "agent"),
            reviewers=("ada",),
        )
        ours = forge_of(load_config(forge=settings))
        request = await wanted(depot, user_repo)
        opened = await ours.open(depot, request)
        await ours.open(depot, request)
        await ours.sync(depot, opened, "main")
    return forge.asked


def shown(one: Asked) -> tuple[str, str, dict[str, str], Any]:
    return one.method, unquote(one.path), one.query, one.body


async def test_every_request_is_one_that_a_maintained_client_makes(
    client: Path, user_repo: UserRepoFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its types know each name and the type of each value; and what it sends is what we send."""
    monkeypatch.setenv("PEV_FORGE_TOKEN", TOKEN)
    ours = await asked_by_us(user_repo, tmp_path)
    assert {one.method for one in ours} == {"GET", "POST", "PUT"}
    with serve_forge("gitlab") as forge:
        built = compiled(client, forge.url.removesuffix("/api"), [call_of(one) for one in ours])
        assert built.returncode == 0, built.stdout
        subprocess.run(["node", "ask.js"], cwd=client, check=True, timeout=60)

    assert [shown(one) for one in forge.asked] == [shown(one) for one in ours]
    assert all(one.headers["private-token"] == TOKEN for one in (*ours, *forge.asked))


@pytest.mark.parametrize(
    "call",
    [
        'await api.MergeRequests.edit("acme/app", 1, {"addLabel": "pev"});',
        'await api.MergeRequests.edit("acme/app", 1, {"reviewerIds": ["ada"]});',
        'await api.MergeRequests.create("acme/app", "a", "b", "t", {"removeSourceBranch": "no"});',
        'await api.MergeRequests.all({"projectId": "acme/app", "state": "open"});',
    ],
)
def test_a_request_that_gitlab_does_not_know_is_not_let_through(client: Path, call: str) -> None:
    """A wrong name, a wrong type, a value that is none: else the test above would say nothing."""
    assert "error TS" in compiled(client, "http://127.0.0.1:9", [call]).stdout
