"""Which sandbox is chosen, what is said when none holds, and what limits and hints come to."""

import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from pev import proc
from pev.config import load_config
from pev.errors import ConfigInvalid, SandboxUnavailable
from pev.proc import Completed, Ending
from pev.sandbox import select
from pev.sandbox.cgroup import Nursery
from pev.sandbox.interface import Command, Sandbox
from pev.sandbox.limits import Limits
from pev.sandbox.obstacles import explained, obstacle
from pev.sandbox.outcome import candidates, hint_of, named_signal
from pev.sandbox.probe import Attempt, Trial
from pev.sandbox.select import choose_sandbox, mechanisms, survey
from pev.sandbox.unconfined import Unconfined


def _completed(code: int = 1, stdout: bytes = b"", stderr: bytes = b"") -> Completed:
    return Completed(("x",), code, Ending.EXITED, stdout, stderr, 0, 0.1)


class Leaky(Sandbox):
    """A mechanism that promises to confine, and does not."""

    name = "leaky"
    confines = True

    async def run(self, command: Command) -> Completed:
        """Say that it ran."""
        return _completed(0)


def test_a_known_gap_passes_and_an_unknown_one_does_not() -> None:
    gap = Attempt(name="a", stopped=False, said="done", gap=True)
    assert Trial(mechanism="m", attempts=(gap,)).passed
    assert not Trial(mechanism="m", attempts=(gap.model_copy(update={"gap": False}),)).passed
    assert not Trial(mechanism="m").passed


async def test_where_nothing_holds_commands_are_refused_and_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No quiet fallback to none."""

    async def no(*_: Any) -> Sandbox:
        raise SandboxUnavailable("not today", hint="Install it.")

    monkeypatch.setattr(select, "_landlock", no)
    monkeypatch.setattr(select, "bwrap_paths", lambda _: ())
    sandbox = choose_sandbox(load_config(sandbox="auto", state_dir=tmp_path))
    command = Command(argv=("/bin/true",), cwd=tmp_path, env=proc.base_env(), limit_s=5)
    with pytest.raises(SandboxUnavailable, match=r"not installed.*not today") as caught:
        await sandbox.run(command)
    assert "apt install bubblewrap" in caught.value.hint
    assert (sandbox.confines, sandbox.holds_hostile_code) == (False, False)


async def test_a_mechanism_that_failed_is_tried_again_and_one_that_holds_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    works = False

    async def once(sandbox: Sandbox) -> Trial:
        tried.append(sandbox.name)
        return Trial(mechanism="m", attempts=(Attempt(name="a", stopped=works, said=""),))

    async def leaky(*_: Any) -> Sandbox:
        return Leaky()

    monkeypatch.setattr(select, "try_out", once)
    monkeypatch.setattr(select, "_landlock", leaky)
    config = load_config(sandbox="landlock", state_dir=tmp_path)
    assert (await survey(config)).sandbox is None
    works = True
    assert (await survey(config)).sandbox is not None
    assert (await survey(config)).sandbox is not None
    assert tried == ["leaky", "leaky"]


def test_only_the_operator_can_name_none() -> None:
    assert isinstance(choose_sandbox(load_config(sandbox="none")), Unconfined)
    assert not isinstance(choose_sandbox(load_config()), Unconfined)
    with pytest.raises(ConfigInvalid):
        load_config(sandbox="off")


def test_an_experimental_mechanism_is_never_chosen_by_itself() -> None:
    labels = [label for label, _ in mechanisms(load_config(sandbox="auto"))]
    assert all("seatbelt" not in label for label in labels)
    assert [label for label, _ in mechanisms(load_config(sandbox="seatbelt"))] == ["seatbelt"]


@pytest.mark.skipif(sys.platform != "linux", reason="the other platform is the one that is tested here")
async def test_a_mechanism_of_another_platform_says_so() -> None:
    found = await survey(load_config(sandbox="seatbelt"))
    assert "it works on darwin" in found.trials[0].why


@pytest.mark.parametrize(
    ("files", "fact"),
    [
        ({"sys/kernel/unprivileged_userns_clone": "0"}, "unprivileged_userns_clone"),
        ({"sys/user/max_user_namespaces": "0"}, "max_user_namespaces"),
        ({".dockerenv": ""}, "container"),
    ],
)
def test_the_obstacle_is_named(tmp_path: Path, files: dict[str, str], fact: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="ascii")
    found = obstacle(tmp_path / "sys", tmp_path)
    assert found is not None
    assert fact in found[0]
    failed = explained(Trial(mechanism="b", fault="it failed"), "bubblewrap", tmp_path / "sys", tmp_path)
    assert fact in failed.fault
    assert failed.hint == found[1]


def test_apparmor_is_named_to_an_ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / "apparmor_restrict_unprivileged_userns").write_text("1\n", encoding="ascii")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    found = obstacle(tmp_path, tmp_path)
    assert found is not None
    assert "/etc/apparmor.d/bwrap" in found[1]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert obstacle(tmp_path, tmp_path) is None


def test_limits_are_only_ever_narrowed() -> None:
    own = Limits(memory_bytes=100, processes=10, cpu_s=5, file_bytes=7, open_files=8, tmp_bytes=9)
    wide = Limits(memory_bytes=200, processes=5, cpu_s=50, file_bytes=70, open_files=80, tmp_bytes=3)
    assert own.narrowed(wide) == Limits(
        memory_bytes=100, processes=5, cpu_s=5, file_bytes=7, open_files=8, tmp_bytes=3
    )
    assert own.narrowed(None) is own
    assert Limits().narrowed(Limits(cpu_s=3)).cpu_s == 3


def test_limits_of_a_process_fit_within_its_hard_limits() -> None:
    found = Limits(open_files=10**9, file_bytes=5).rlimits(2.5)
    assert found[resource.RLIMIT_NOFILE] <= resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert found[resource.RLIMIT_FSIZE] == 5
    assert found[resource.RLIMIT_CORE] == 0
    assert found[resource.RLIMIT_CPU] >= 3


def _version_2(root: Path, controllers: str) -> Path:
    (root / "app" / "own").mkdir(parents=True)
    (root / "cgroup.controllers").write_text("cpu memory pids", encoding="ascii")
    (root / "app" / "cgroup.subtree_control").write_text(controllers, encoding="ascii")
    (root / "app" / "own" / "cgroup.subtree_control").write_text("", encoding="ascii")
    own = root / "self"
    own.write_text("0::/app/own\n", encoding="ascii")
    return own


def test_a_group_is_made_beside_our_own_where_that_one_cannot_share_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _version_2(tmp_path, "memory pids")
    monkeypatch.setattr(Nursery, "make", lambda *_: type("Made", (), {"remove": lambda _: None})())
    found = Nursery.find(tmp_path, own)
    assert found == Nursery({"memory": tmp_path / "app", "pids": tmp_path / "app"}, 2)
    assert found.counts_processes


def test_without_controllers_no_group_can_be_made(tmp_path: Path) -> None:
    assert Nursery.find(tmp_path, _version_2(tmp_path, "cpu")) is None
    assert Nursery.find(tmp_path, tmp_path / "absent") is None


def test_a_nursery_that_cannot_set_limits_is_none(tmp_path: Path) -> None:
    """Plain folders look like groups until a limit is written."""
    assert Nursery.find(tmp_path, _version_2(tmp_path, "memory pids")) is None
    assert not list((tmp_path / "app").glob("pev-*"))


def test_exit_codes_of_shells_name_signals() -> None:
    killed = named_signal(_completed(137))
    assert (killed.code, killed.ending) == (-9, Ending.SIGNALLED)
    for code in (0, 1, 127, 128, 255):
        assert named_signal(_completed(code)).code == code


def test_a_program_is_looked_for_as_execvp_does() -> None:
    env = {"PATH": "/a:/b"}
    assert candidates("x", Path("/w"), env) == [Path("/a/x"), Path("/b/x")]
    assert candidates("./x", Path("/w"), env) == [Path("/w/x")]
    assert candidates("/y/x", Path("/w"), env) == [Path("/y/x")]


@pytest.mark.parametrize(
    ("done", "word"),
    [
        (_completed(6, stderr=b"curl: (6) Could not resolve host: example.com"), "network to example.com ("),
        (
            _completed(1, stderr=b"getaddrinfo ENOTFOUND registry.example.org"),
            "network to registry.example.org (",
        ),
        (
            _completed(
                1,
                stderr=b"Pool(host='api.example.com', port=443): Failed to establish a new connection",
            ),
            "network to api.example.com (",
        ),
        (_completed(1, stderr=b"OSError: [Errno 101] Network is unreachable"), "network (none is allowed)"),
        (_completed(1, stdout=b"touch: cannot touch '/x': Read-only file system"), "denied by policy"),
        (_completed(1, stderr=b"AssertionError"), ""),
        (_completed(0, stderr=b"Network is unreachable"), ""),
    ],
)
def test_a_denial_is_hinted_at_only_after_a_failure(done: Completed, word: str) -> None:
    """An agent that knows it was denied does not retry around it."""
    assert word in hint_of(done)
    assert bool(word) == bool(hint_of(done))
