"""`pev trail …` as a person, a script and an auditor use it: evidence goes out, and is checked elsewhere."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from pev.config import load_config
from pev.events import Kind
from pev.models import RepoId, repo_stream
from pev.trail.store import Trail
from support.clients import PEV
from support.commands import run_pev
from support.tampering import cut, opened_raw, small_trail
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
