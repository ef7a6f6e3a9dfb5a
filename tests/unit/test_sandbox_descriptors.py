"""Descriptors that started programs get: what a sealed copy allows, and what it does not."""

import os
import subprocess
from pathlib import Path

import pytest

from pev.sandbox.bubblewrap import startable
from pev.sandbox.descriptors import close_all, in_memory, sealed_copy


def _program(tmp_path: Path, text: str = "#!/bin/sh\necho ran\n") -> Path:
    program = tmp_path / "program"
    program.write_text(text, encoding="ascii")
    program.chmod(0o755)
    return program


def test_a_sealed_copy_can_be_started_and_not_changed(tmp_path: Path) -> None:
    fd = sealed_copy(_program(tmp_path))
    try:
        path = f"/proc/{os.getpid()}/fd/{fd}"
        assert subprocess.run([path], capture_output=True, check=True).stdout == b"ran\n"
        assert not os.get_inheritable(fd)
        for change in (lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 0)):
            with pytest.raises(PermissionError):
                change()
    finally:
        close_all((fd,))


def test_a_program_of_ours_is_started_from_a_copy(tmp_path: Path) -> None:
    """And its libraries are found where they lie beside it."""
    (tmp_path / "package" / "bin").mkdir(parents=True)
    program = _program(tmp_path / "package" / "bin")
    with startable(program) as (path, env):
        assert path.startswith(f"/proc/{os.getpid()}/fd/")
        Path(path).chmod(0)  # as a command could, whose program it is
        assert env == {}
    assert program.stat().st_mode & 0o777 == 0o755
    assert not Path(path).exists()
    (tmp_path / "package.libs").mkdir()
    with startable(program) as (path, env):
        assert env == {"LD_LIBRARY_PATH": str(tmp_path / "package.libs")}
        assert subprocess.run([path], capture_output=True, check=True).stdout == b"ran\n"


def test_a_program_of_others_is_started_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AppArmor knows it by its path, and we could not change its mode."""
    program = _program(tmp_path)
    other = os.geteuid() + 1
    monkeypatch.setattr("os.geteuid", lambda: other)
    with startable(program) as (path, env):
        assert (path, env) == (str(program), {})


def test_memory_is_read_from_its_beginning() -> None:
    fd = in_memory("test", b"content")
    try:
        assert os.read(fd, 100) == b"content"
    finally:
        close_all((fd, -1, fd))
