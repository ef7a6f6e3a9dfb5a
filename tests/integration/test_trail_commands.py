"""`pev trail …` as a person, a script and an auditor use it: evidence goes out, and is checked elsewhere."""

import json
import os
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from pev.config import load_config
from pev.events import Kind
from pev.models import RepoId, now, repo_stream
from pev.trail.redact import operator_redactor
from pev.trail.store import Trail
from support.cli import pev_on_terminal
from support.clients import PEV
from support.commands import run_pev
from support.tampering import RUN, cut, opened_raw, small_trail
from support.trail_events import event


@pytest.fixture
def state(own_home: Path) -> Path:
    """A state directory with a small trail in it, which the commands find."""
    folder = load_config().state_dir
    small_trail(folder)
    return folder


def grow(state: Path) -> None:
    with Trail.open(state / "trail.sqlite3") as trail:
        trail.append(repo_stream(RepoId("b")), [event(Kind.COMMAND_RAN, n=1)], expected_version=None)


def vkey() -> str:
    return str(json.loads(run_pev("trail", "keys", "--json").out)[0]["vkey"])


def test_a_proof_is_checked_without_the_trail(state: Path, tmp_path: Path) -> None:
    """On another machine there is the file, and the key; nothing else is looked at."""
    proof, key = tmp_path / "event.tlog-proof", vkey()
    assert run_pev("trail", "prove", "4", "-o", str(proof)).code == 0
    (state / "trail.sqlite3").unlink()

    checked = run_pev("trail", "verify-proof", str(proof), "--key", key, "--json")

    assert checked.code == 0, checked.err
    assert checked.json()["event"]["seq"] == 4
    assert not (state / "trail.sqlite3").exists()


def test_a_proof_that_does_not_hold_is_a_failure(state: Path, tmp_path: Path) -> None:
    proof, key = tmp_path / "event.tlog-proof", vkey()
    run_pev("trail", "prove", "4", "-o", str(proof))
    proof.write_text(proof.read_text(encoding="utf-8").replace("index 4", "index 5"), encoding="utf-8")

    ended = run_pev("trail", "verify-proof", str(proof), "--key", key)

    assert ended.code == 1
    assert "does not hold" in ended.err


def test_a_proof_without_a_key_is_not_checked(state: Path, tmp_path: Path) -> None:
    """What it says of itself shows nothing."""
    run_pev("trail", "prove", "4", "-o", str(tmp_path / "p"))

    ended = run_pev("trail", "verify-proof", str(tmp_path / "p"))
    assert (ended.code, "no verifier key" in ended.err) == (2, True)


@pytest.mark.parametrize("kept", ["checkpoint", "head"])
def test_a_kept_checkpoint_shows_a_roll_back(state: Path, tmp_path: Path, kept: str) -> None:
    file = tmp_path / "kept"
    file.write_text(run_pev("trail", kept).out, encoding="utf-8")
    grow(state)
    assert run_pev("trail", "verify", "--checkpoint", str(file)).code == 0
    with opened_raw(state / "trail.sqlite3") as raw:
        cut(raw, 20)
    run_pev("trail", "rebuild")

    ended = run_pev("trail", "verify", "--checkpoint", str(file))

    assert ended.code == 1
    assert "rolled back" in ended.out
    assert run_pev("trail", "verify").out.strip() == "consistent; roll-back not excluded"


def test_a_checkpoint_is_held_against_the_key_that_is_given(state: Path, tmp_path: Path) -> None:
    """Not against those that the log names, which whoever forged it would name, too."""
    file = tmp_path / "kept"
    run_pev("trail", "checkpoint", "-o", str(file))
    stranger = "example.org/pev+5c2a8a2d+AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"

    ended = run_pev("trail", "verify", "--checkpoint", str(file), "--key", stranger)
    assert ended.code in (1, 2)
    assert "consistent" not in ended.out
    assert run_pev("trail", "verify", "--checkpoint", str(file), "--key", vkey()).code == 0


@pytest.mark.parametrize("content", ["", "nonsense", '{"size":1}', "a\n1\n\n\u2014 a b\n"])
def test_a_file_that_is_no_checkpoint_is_refused(state: Path, tmp_path: Path, content: str) -> None:
    """Verifying without it would claim less than was asked, and look the same."""
    (tmp_path / "kept").write_text(content, encoding="utf-8")

    assert run_pev("trail", "verify", "--checkpoint", str(tmp_path / "kept")).code == 2


def test_keys_rotate_with_an_overlap(state: Path) -> None:
    """Both are shown, both sign, until the old one is retired; the newest cannot be."""
    first = vkey()
    second = run_pev("trail", "rotate-key").out.strip()
    assert run_pev("trail", "checkpoint").out.count("\u2014 ") == 2
    assert run_pev("trail", "retire-key", second.split("+")[1]).code == 2
    assert run_pev("trail", "retire-key", first.split("+")[1]).code == 0

    assert run_pev("trail", "checkpoint").out.count("\u2014 ") == 1
    shown = run_pev("trail", "keys", "--json").json()
    assert {(one["vkey"], one["state"]) for one in shown} == {(first, "retired"), (second, "signs")}
    assert run_pev("trail", "verify").code == 0


def test_tiles_are_written_and_grow(state: Path, tmp_path: Path) -> None:
    first = run_pev("trail", "tiles", str(tmp_path / "tiles")).json()
    grow(state)
    second = run_pev("trail", "tiles", str(tmp_path / "tiles")).json()

    assert second["events"] == first["events"] + 1
    assert (tmp_path / "tiles" / "checkpoint").read_text(encoding="utf-8").split("\n")[1] == str(
        second["events"]
    )


@pytest.mark.needs_host
def test_a_person_erases_at_a_terminal(state: Path, tmp_path: Path) -> None:
    """What is gone is said; the log goes on to verify."""
    answers = {r"Type ([0-9a-f]{6}) to erase": r"\1"}
    ended = pev_on_terminal("trail", "erase", "10", "--reason", "asked for", cwd=tmp_path, answers=answers)

    assert ended.code == 0, ended.out
    assert "event 29 tells of it" in ended.out
    assert run_pev("trail", "verify").code == 0
    with Trail.open(state / "trail.sqlite3") as trail:
        assert trail.event(10).payload is None
        assert trail.event(29).actor.channel == "terminal"


@pytest.mark.needs_host
def test_the_wrong_word_erases_nothing(state: Path, tmp_path: Path) -> None:
    answers = {r"to erase": "yes"}
    ended = pev_on_terminal("trail", "erase", "10", "--reason", "asked for", cwd=tmp_path, answers=answers)

    assert ended.code == 5
    with Trail.open(state / "trail.sqlite3") as trail:
        assert trail.event(10).payload is not None


@pytest.mark.parametrize("options", [["10", "--reason", "x"], ["--run", "00000001", "--reason", "x"]])
def test_a_script_cannot_erase(state: Path, options: list[str]) -> None:
    """Not by accident, and not without a person."""
    ended = run_pev("trail", "erase", *options)

    assert (ended.code, "needs a terminal" in ended.err) == (5, True)
    assert run_pev("trail", "verify").code == 0


def test_retention_erases_what_is_old_by_the_operators_word(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_pev("trail", "retain").json() == {"dry_run": False, "erased": {}}
    monkeypatch.setenv("PEV_TRAIL", json.dumps({"retention_days": {"command.ran": 1}}))
    assert run_pev("trail", "retain").json()["erased"] == {}, "nothing is a day old"
    monkeypatch.setattr("pev_server.cli.erasing.now", lambda: now() + timedelta(days=2))

    assert run_pev("trail", "retain", "--dry-run").json()["erased"] == {"command.ran": 3}
    assert run_pev("trail", "retain").json()["erased"] == {"command.ran": 3}
    assert run_pev("trail", "retain").json()["erased"] == {}
    assert run_pev("trail", "verify").code == 0


@pytest.mark.parametrize(("name", "why"), [("run.opened", "without which"), ("nonsense", "no kind of event")])
def test_retention_of_what_cannot_go_is_refused(
    state: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.setenv("PEV_TRAIL", json.dumps({"retention_days": {name: 1}}))

    ended = run_pev("trail", "retain")
    assert (ended.code, why in ended.err) == (5, True)


def test_who_holds_a_secret_that_was_taken_out_can_show_it(state: Path, tmp_path: Path) -> None:
    secret = "ghp_" + "a1B2c3D4" * 5
    with Trail.open(state / "trail.sqlite3", redactor=operator_redactor(load_config())) as trail:
        ran = event(Kind.COMMAND_RAN, argv=["push", secret])
        trail.append(repo_stream(RepoId("b")), [ran], expected_version=None)
    (tmp_path / "held").write_text(f"{secret}\n", encoding="utf-8")
    (tmp_path / "other").write_text(secret[:-1], encoding="utf-8")

    shown = run_pev("trail", "disclose", "29", "--file", str(tmp_path / "held"))

    assert (shown.code, "/argv/1" in shown.out) == (0, True)
    assert run_pev("trail", "disclose", "29", "--file", str(tmp_path / "other")).code == 1
    assert run_pev("trail", "disclose", "1", "--file", str(tmp_path / "held")).code == 1


@pytest.mark.needs_host
def test_watching_tells_of_new_events_and_of_a_fault(state: Path) -> None:
    """Loudly: on standard error, and by its exit code."""
    watching = _watch()
    assert watching.stdout is not None
    assert "consistent" in watching.stdout.readline()
    grow(state)
    assert "consistent; 1 new" in watching.stdout.readline()
    with opened_raw(state / "trail.sqlite3") as raw:
        cut(raw, 20)

    out, err = watching.communicate(timeout=60)
    assert watching.returncode == 1
    assert "not intact" in out
    assert "THE TRAIL IS NOT INTACT: rolled back" in err


@pytest.mark.needs_host
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_ends_cleanly_when_it_is_asked_to(state: Path, number: signal.Signals) -> None:
    watching = _watch()
    assert watching.stdout is not None
    watching.stdout.readline()
    watching.send_signal(number)

    _, err = watching.communicate(timeout=60)
    assert (watching.returncode, err) == (0, "")


def test_watching_refuses_a_checkpoint_of_another_form(state: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("nonsense", encoding="utf-8")

    ended = run_pev("trail", "watch", "--checkpoint", str(tmp_path / "kept"))
    assert (ended.code, "no signed note" in ended.err) == (2, True)


def _watch() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [PEV, "trail", "watch", "--every", "0.05"],
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("state")
def test_a_run_reads_as_a_story_and_all_events_say_where_they_belong() -> None:
    """The sentences are those of the page; the place of an event stands where there are several."""
    of_run = run_pev("trail", RUN).out.splitlines()
    of_all = run_pev("trail", "--limit", "500").out.splitlines()

    told = [line.split("\t") for line in of_run]
    assert [line[0] for line in told] == [str(number) for number in range(14)]
    assert told[4][2:] == [
        "local:grace (person) through terminal",
        "decided on the plan: approve through terminal (person-present), after 32 s: fine",
    ]
    assert len(of_all) == 30  # that the run was read is an event
    assert of_all[4].split("\t")[2:4] == [f"run:{RUN}", "decision.answered"]
