"""A person decides in a terminal; a pipe or a script cannot do so by accident."""

from pathlib import Path

import pytest

from support.cli import Ended, pev, pev_on_terminal
from support.clients import call, connected
from support.plans import PLAN
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host
_CONFIRM = {r"Type ([0-9a-f]{6}) to confirm": r"\1"}


async def _waiting(repo: Path, **changes: object) -> str:
    async with connected("stdio", repo) as client:
        run_id = str((await call(client, "draft_plan", task="Add slugify"))["run"]["run_id"])
        await call(client, "submit_plan", run_id=run_id, plan={**PLAN, **changes})
    return run_id


def _status(run_id: str, repo: Path) -> str:
    shown = pev("show", run_id, "--json", cwd=repo)
    assert shown.code == 0, shown.err
    return str(shown.json()["status"])


async def test_a_person_approves_what_the_terminal_shows(user_repo: UserRepoFixture) -> None:
    run_id = await _waiting(user_repo.path)
    ended = pev_on_terminal("approve", run_id, cwd=user_repo.path, answers=_CONFIRM)
    assert ended.code == 0, ended.out
    for part in ("Add a slugify function", "Transliteration", "src/app/slug.py"):
        assert part in ended.out
    shown = pev("show", run_id, "--json", cwd=user_repo.path).json()
    assert shown["status"] == "approved"
    assert shown["approvals"][0]["channel"] == "terminal"


async def test_a_pipe_cannot_approve(user_repo: UserRepoFixture) -> None:
    run_id = await _waiting(user_repo.path)
    ended = pev("approve", run_id, cwd=user_repo.path)
    assert ended.code == 5
    assert "[caller.forbidden]" in ended.err
    assert _status(run_id, user_repo.path) == "awaiting_approval"


async def test_the_wrong_word_approves_nothing(user_repo: UserRepoFixture) -> None:
    run_id = await _waiting(user_repo.path)
    ended = pev_on_terminal("approve", run_id, cwd=user_repo.path, answers={"to confirm": "yes"})
    assert ended.code == 5
    assert _status(run_id, user_repo.path) == "awaiting_approval"


async def test_open_questions_are_answered_in_the_terminal_first(user_repo: UserRepoFixture) -> None:
    run_id = await _waiting(user_repo.path, open_questions=[{"id": "q1", "question": "Which alphabet?"}])
    answers = {r"Which alphabet\?: ": "latin", **_CONFIRM}
    ended = pev_on_terminal("approve", run_id, cwd=user_repo.path, answers=answers)
    assert ended.code == 0, ended.out
    assert "latin" in ended.out
    assert _status(run_id, user_repo.path) == "approved"


async def test_rejecting_ends_the_run_and_keeps_the_reason(user_repo: UserRepoFixture) -> None:
    run_id = await _waiting(user_repo.path)
    assert pev("reject", run_id, "--reason", "not now", cwd=user_repo.path).code == 0
    shown = pev("show", run_id, "--json", cwd=user_repo.path).json()
    assert shown["status"] == "abandoned"
    assert shown["reason"] == "not now"


async def test_asking_for_changes_sends_the_plan_back(user_repo: UserRepoFixture) -> None:
    run_id = await _waiting(user_repo.path)
    assert pev("reject", run_id, "--reason", "smaller", "--change", cwd=user_repo.path).code == 0
    assert _status(run_id, user_repo.path) == "drafted"


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (("show", "ffffffff"), 5, "[run.unknown]"),
        (("show", "no-id"), 5, "[run.unknown]"),
        (("approve",), 2, "Missing argument"),
        (("gate", "--base", "--upload-pack=x"), 3, "[ref.invalid]"),
        (("gate", "--base", "nowhere"), 3, "[ref.not_found]"),
        (("check", "spelling"), 5, "[check.unknown]"),
        (("nonsense",), 2, "No such command"),
        (("reject", "ffffffff", "--reason", " "), 2, "[input.invalid]"),
    ],
)
def test_a_wrong_word_gets_its_exit_code_and_an_error_that_names_it(
    args: tuple[str, ...], code: int, word: str, user_repo: UserRepoFixture
) -> None:
    ended: Ended = pev(*args, cwd=user_repo.path)
    if args[0] == "gate":
        assert "ref." in ended.err
        assert ended.code in (code, 5)
    else:
        assert ended.code == code, ended.err
    assert word in ended.err


def test_every_command_helps(tmp_path: Path) -> None:
    commands = (
        "serve gate check runs show approve reject decide decision approvals trust trail init doctor"
        " install uninstall"
    )
    for name in commands.split():
        ended = pev(name, "--help", cwd=tmp_path)
        assert ended.code == 0, ended.err
        assert "Usage: pev" in ended.out


def test_outside_a_repository_the_gate_says_so(tmp_path: Path) -> None:
    ended = pev("gate", ".", cwd=tmp_path)
    assert ended.code == 5
    assert "[repo.unusable]" in ended.err


def test_a_broken_configuration_names_field_and_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("check_limit_s = -1\n", encoding="utf-8")
    ended = pev("runs", cwd=tmp_path, env={"PEV_CONFIG": str(config)})
    assert ended.code == 5
    assert "check_limit_s" in ended.err
    assert str(config) in ended.err
