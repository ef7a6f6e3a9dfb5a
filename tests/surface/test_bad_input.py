"""Bad input gets an error with a stable code that names the value; nothing is lost and nothing crashes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.clients import APPROVE, Person, call, connected, refusal
from support.plans import PLAN
from support.repos import UserRepoFixture


async def test_arguments_that_do_not_fit_name_their_field(user_repo: UserRepoFixture) -> None:
    async with connected("memory", user_repo.path) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        calls: list[tuple[str, dict[str, Any], str]] = [
            ("submit_plan", {"run_id": run_id, "plan": {**PLAN, "non_goals": []}}, "non_goals"),
            ("submit_plan", {"run_id": run_id, "plan": "text"}, "plan"),
            ("submit_plan", {"run_id": run_id, "plan": {**PLAN, "extra": 1}}, "extra"),
            ("run_gate", {"run_id": run_id, "wait_s": -1}, "wait_s"),
            ("run_gate", {"run_id": run_id, "wait_s": True}, "wait_s"),
            ("read_file", {"run_id": run_id, "path": "x", "limit": 10**9}, "limit"),
            ("draft_plan", {"task": "  "}, "task"),
            ("query_trail", {"query": {"limit": 0}}, "limit"),
            ("run_check", {"check": "lint", "repo": "x", "run_id": run_id}, "both"),
        ]
        for tool, arguments, named in calls:
            said = await refusal(client, tool, **arguments)
            assert said.startswith("[input.invalid]"), (tool, said)
            assert named in said


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("run_gate", {"run_id": "ffffffff"}, "run.unknown"),
        ("run_gate", {"run_id": "../../etc"}, "run.unknown"),
        ("draft_plan", {"task": "x", "repo": "elsewhere"}, "repo.unknown"),
        ("draft_plan", {"task": "x", "repo": "/etc"}, "repo.unknown"),
        ("draft_plan", {"task": "x", "base": "nowhere"}, "ref.not_found"),
        ("draft_plan", {"task": "x", "base": "--upload-pack=touch x"}, "ref.invalid"),
        ("draft_plan", {"task": "x", "base": "a\nb"}, "ref.invalid"),
        ("run_check", {"check": "lint", "repo": "/"}, "repo.unknown"),
    ],
)
async def test_unknown_runs_repositories_and_refs_have_their_code(
    tool: str, arguments: dict[str, Any], code: str, user_repo: UserRepoFixture
) -> None:
    async with connected("memory", user_repo.path) as client:
        said = await refusal(client, tool, **arguments)
    assert said.startswith(f"[{code}]"), said
    assert "Next:" in said


async def test_paths_that_leave_the_worktree_are_refused(user_repo: UserRepoFixture, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    async with connected("memory", user_repo.path, elicitation_handler=Person(APPROVE)) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        worktree = Path((await call(client, "make_worktree", run_id=run_id))["worktree"])
        (worktree / "link").symlink_to(secret)
        (worktree / "folder").symlink_to(tmp_path)
        for path in (
            "../secret.txt",
            str(secret),
            "link",
            "folder/secret.txt",
            "a\0b",
            "src/../../x",
            ".git",
        ):
            for tool, more in (("read_file", {}), ("write_file", {"content": "x"})):
                said = await refusal(client, tool, run_id=run_id, path=path, **more)
                assert said.startswith(("[path.escapes]", "[file.refused]", "[input.invalid]")), (path, said)
    assert secret.read_text(encoding="utf-8") == "secret"


@pytest.mark.needs_host
@pytest.mark.parametrize("kind", ["none", "empty", "bare", "shallow"])
async def test_a_repository_that_cannot_be_used_says_why(
    kind: str, tmp_path: Path, user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names it: the operator's settings, or the command line."""
    folder = tmp_path / "odd"
    commands = {
        "none": ["mkdir", str(folder)],
        "empty": ["git", "init", "-q", str(folder)],
        "bare": ["git", "init", "-q", "--bare", str(folder)],
        "shallow": ["git", "clone", "-q", "--depth", "1", f"file://{user_repo.path}", str(folder)],
    }
    user_repo.commit("second", {"a.txt": "a"})
    subprocess.run(commands[kind], check=True)
    monkeypatch.setenv("PEV_REPOS", json.dumps({"odd": str(folder)} if kind != "none" else {}))
    transport = "stdio" if kind == "none" else "memory"
    async with connected(transport, tmp_path, "--repo", f"odd={folder}") as client:
        said = await refusal(client, "draft_plan", task="x", repo="odd")
    assert said.startswith(("[repo.unusable]", "[ref.not_found]")), said
    words = {"none": "not", "empty": "commit", "bare": "bare", "shallow": "shallow"}
    assert words[kind] in said


async def test_sub_modules_and_large_file_pointers_are_a_clear_refusal(user_repo: UserRepoFixture) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    user_repo.commit("large", {"model.bin": pointer, ".gitattributes": "*.bin filter=lfs\n"})
    async with connected("memory", user_repo.path, elicitation_handler=Person(APPROVE)) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        said = await refusal(client, "make_worktree", run_id=run_id)
    assert said.startswith("[repo.unusable]")
    assert "model.bin" in said
    assert "allow_lfs" in said


async def test_a_broken_policy_names_file_line_and_key(user_repo: UserRepoFixture) -> None:
    user_repo.commit("policy", {"pev.toml": "coverage_floor = 80\ncoverage_flor = 1\n"})
    async with connected("memory", user_repo.path) as client:
        said = await refusal(client, "draft_plan", task="x")
    assert said.startswith("[policy.invalid]")
    assert "coverage_flor" in said
    assert "2" in said


async def test_a_corrupt_trail_is_said_and_nothing_is_written_over_it(
    user_repo: UserRepoFixture, own_home: Path
) -> None:
    state = own_home / "state"
    state.mkdir(parents=True)
    (state / "trail.sqlite3").write_bytes(b"this is no database, and it is longer than a header" * 10)
    before = (state / "trail.sqlite3").read_bytes()
    async with connected("memory", user_repo.path) as client:
        assert len(await client.list_tools()) > 10
        said = await refusal(client, "draft_plan", task="x")
    assert said.startswith(("[trail.unavailable]", "[trail.corrupt]"))
    assert (state / "trail.sqlite3").read_bytes() == before


@pytest.mark.needs_host
async def test_bytes_that_are_no_text_and_a_flood_of_output_reach_the_caller_harmless(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five times what is kept of a command."""
    monkeypatch.setenv("PEV_OUTPUT_BYTES", str(2**22))
    flood = "import sys; sys.stdout.buffer.write(b'\\xff\\x1b[2Jhead' + b'x' * 20_000_000 + b'tail')"
    async with connected("memory", user_repo.path, elicitation_handler=Person(APPROVE)) as client:
        run_id = (await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"]
        await call(client, "submit_plan", run_id=run_id, plan=PLAN)
        await call(client, "make_worktree", run_id=run_id)
        done = await call(client, "run_command", run_id=run_id, argv=["python3", "-c", flood])
    assert "\x1b" not in done["output"]
    assert done["output"].startswith("\ufffdhead")
    assert done["output"].endswith("tail")
    assert len(done["output"]) < 20_000
