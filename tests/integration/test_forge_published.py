"""What is sent to GitHub is what its published description allows, and what is read of its answers is in it.

The description is the npm package @octokit/openapi; nothing of it is kept here.
"""

import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pev.config import ForgeSettings, load_config
from pev.forge.select import forge_of
from support.depots import depot_of, git_in
from support.forges import TOKEN, serve_forge, wanted
from support.repos import UserRepoFixture

pytestmark = [pytest.mark.needs_index, pytest.mark.needs_node, pytest.mark.slow]
PULL = "/repos/{owner}/{repo}/pulls/{pull_number}"
READ = (
    "number",
    "html_url",
    "state",
    "head.ref",
    "head.sha",
    "merged_at",
    "merged_by.login",
    "merge_commit_sha",
)


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("octokit")
    subprocess.run(["npm", "pack", "--silent", "@octokit/openapi"], cwd=folder, check=True, timeout=120)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        name = "package/generated/api.github.com.deref.json"
        names = archive.getnames()
        member = archive.extractfile(name if name in names else "package/generated/api.github.com.json")
        assert member is not None
        return dict(json.load(member))


def operation(described: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    for template, methods in described["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in methods:
            return dict(methods[method.lower()])
    raise AssertionError(f"{method} {path} is not in the description")


def resolved(described: dict[str, Any], value: Any) -> Any:
    """Give a part of the description, or what it refers to."""
    while isinstance(value, dict) and "$ref" in value:
        place: Any = described
        for name in value["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        value = place
    return value


async def test_every_request_is_one_that_github_describes(
    described: dict[str, Any], user_repo: UserRepoFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEV_FORGE_TOKEN", TOKEN)
    git_in(tmp_path, "init", "-q", "--bare", "far.git")
    user_repo.git("remote", "add", "origin", str(tmp_path / "far.git"))
    depot = await depot_of(user_repo, tmp_path / "state")
    with serve_forge("github") as forge:
        settings = ForgeSettings(
            kind="github",
            api_url=forge.url,
            project="acme/app",
            draft=True,
            labels=("pev",),
            reviewers=("ada", "acme/core"),
        )
        ours = forge_of(load_config(forge=settings))
        request = await wanted(depot, user_repo)
        opened = await ours.open(depot, request)
        await ours.open(depot, request)
        await ours.sync(depot, opened, "main")

    assert {one.method for one in forge.asked} == {"GET", "POST", "PATCH"}
    for one in forge.asked:
        known = operation(described, one.method, one.path)
        named = {resolved(described, each)["name"] for each in known["parameters"]}
        assert set(one.query) <= named, one
        if one.body is None:
            continue
        schema = known["requestBody"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": described.get("components", {})}
        assert [fault.message for fault in Draft202012Validator(whole).iter_errors(one.body)] == [], one
        assert set(one.body) <= set(properties(described, schema)), one


def properties(described: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Give the properties of an object, of all forms that it may have."""
    schema = resolved(described, schema)
    out = dict(schema.get("properties", {}))
    for form in (*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())):
        out |= properties(described, form)
    return out


def test_what_is_read_of_a_pull_request_is_described(described: dict[str, Any]) -> None:
    answer = described["paths"][PULL]["get"]["responses"]["200"]
    pull = resolved(described, answer)["content"]["application/json"]["schema"]

    for name in READ:
        here = pull
        for part in name.split("."):
            known = properties(described, here)
            assert part in known, name
            here = known[part]
