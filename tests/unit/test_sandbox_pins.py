"""Granted folders that commands could swap: held, and compared with what is shown."""

import os
from pathlib import Path

import pytest

from pev.errors import SandboxUnavailable
from pev.sandbox.interface import Command
from pev.sandbox.pins import check_mounts, pins


def _command(work: Path, *readable: Path) -> Command:
    return Command(argv=("x",), cwd=work, env={}, limit_s=1, writable=(work,), readable=readable)


def test_only_grants_below_a_writable_folder_are_held(tmp_path: Path) -> None:
    """Nobody who is confined can swap the others."""
    (tmp_path / "work/sub").mkdir(parents=True)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pins(_command(tmp_path / "work", tmp_path / "work/sub", tmp_path)) as held:
        found = (tmp_path / "work/sub").stat()
        assert held == {tmp_path / "work/sub": (found.st_dev, found.st_ino)}
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("path", ["link", "link/below", "sub/absent"])
def test_what_a_link_leads_to_is_not_held(tmp_path: Path, path: str) -> None:
    (tmp_path / "work/sub").mkdir(parents=True)
    (tmp_path / "outside/below").mkdir(parents=True)
    (tmp_path / "work/link").symlink_to(tmp_path / "outside")
    with (
        pytest.raises(SandboxUnavailable, match="by a link"),
        pins(_command(tmp_path / "work", tmp_path / "work" / path)),
    ):
        pass


def test_mounts_elsewhere_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "work/sub").mkdir(parents=True)
    command = _command(tmp_path / "work", tmp_path / "work/sub")
    with pins(command) as held:
        check_mounts(os.getpid(), command, held)


def test_a_mount_that_was_not_granted_is_a_refusal() -> None:
    """Here /proc is one, which lies below the root and is not what was held."""
    command = _command(Path("/"), Path("/usr"))
    with pins(command) as held, pytest.raises(SandboxUnavailable, match="moved meanwhile"):
        check_mounts(os.getpid(), command, held)
