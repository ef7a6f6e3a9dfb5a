"""A mechanism counts only after it was tried, and the trial can fail."""

from pathlib import Path

import pytest

from pev.config import load_config
from pev.proc import Completed, Ending
from pev.sandbox.interface import Command, Sandbox
from pev.sandbox.probe import try_out
from pev.sandbox.select import choose_sandbox, survey
from pev.sandbox.unconfined import Unconfined
from support.cli import pev
from support.confined import bwrap

pytestmark = pytest.mark.needs_host


class Leaky(Sandbox):
    """A mechanism that promises to confine, and does not."""

    name = "leaky"
    confines = True

    async def run(self, command: Command) -> Completed:
        """Run it plainly."""
        return await Unconfined().run(command)


class Broken(Leaky):
    """A mechanism in which nothing runs."""

    async def run(self, command: Command) -> Completed:
        """Fail."""
        return Completed(command.argv, 1, Ending.EXITED, b"", b"no namespaces", 0, 0.1)


async def test_a_mechanism_that_lets_things_out_does_not_pass_its_trial() -> None:
    """The trial can fail: run without any confinement, each attempt that can succeed here is seen."""
    trial = await try_out(Leaky())
    out = {one.name for one in trial.attempts if not one.stopped}
    assert not trial.passed
    assert {
        "read outside",
        "list outside",
        "write outside",
        "change a mode outside",
        "connect over TCP",
        "send over UDP",
        "connect to a socket file",
        "connect to an abstract socket",
        "read another's environment",
        "kill another process",
        "read git data",
    } <= out
    assert "a process inside could" in trial.why


async def test_a_mechanism_in_which_nothing_runs_does_not_pass() -> None:
    trial = await try_out(Broken())
    assert (trial.passed, "no namespaces" in trial.why) == (False, True)


async def test_what_is_no_bubblewrap_is_not_used(tmp_path: Path) -> None:
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho bubblewrap 0.4.1\n", encoding="utf-8")
    old.chmod(0o755)
    for path in (old, tmp_path / "absent"):
        found = await survey(load_config(sandbox="bubblewrap", bwrap_path=path))
        assert found.sandbox is None
        assert str(path) in found.trials[0].why


@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
async def test_each_mechanism_holds_here(mechanism: str) -> None:
    if mechanism == "bubblewrap":
        bwrap()
    sandbox = choose_sandbox(load_config(sandbox=mechanism))
    await sandbox.ready()
    assert (sandbox.name.partition(" ")[0], sandbox.confines) == (mechanism, True)
    assert sandbox.holds_hostile_code == (mechanism == "bubblewrap")


def test_doctor_says_which_mechanism_holds_and_what_was_tried(tmp_path: Path) -> None:
    found = {one["name"]: one for one in pev("doctor", "--json", cwd=tmp_path).json()}
    assert found["sandbox"]["state"] in ("ok", "note")
    assert "write outside: stopped" in found["tried"]["text"]
    assert "kill another process: stopped" in found["tried"]["text"]


def test_doctor_fails_where_nothing_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEV_SANDBOX", "bubblewrap")
    monkeypatch.setenv("PEV_BWRAP_PATH", "/bin/false")
    done = pev("doctor", "--json", cwd=tmp_path)
    found = {one["name"]: one for one in done.json()}
    assert done.code != 0
    assert found["sandbox"]["state"] == "bad"
    assert "apt install bubblewrap" in found["sandbox"]["hint"]
