"""Folders that a lock tells from what a crash left behind."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from pev.repos import lock
from pev.repos.lock import is_locked
from pev.repos.scratch import held_folder, is_abandoned


def test_a_folder_is_private_and_in_use_until_its_lock_is_let_go(tmp_path: Path) -> None:
    folder, held = held_folder(tmp_path / "made" / "here", "gate-")

    assert folder.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in folder.iterdir()] == ["lock"]
    assert not is_abandoned(folder)
    os.close(held)
    assert is_abandoned(folder)


def test_a_lock_is_held_before_it_can_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who clears up after crashes must never find one that is not held yet."""
    mark = tmp_path / "lock"
    seen: list[bool] = []
    real = fcntl.flock

    def watched(fd: int, how: int) -> None:
        seen.append(mark.exists())
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", watched)
    held = lock.new_lock(mark)

    assert seen == [False]
    assert is_locked(mark)
    os.close(held)


def test_a_folder_without_a_lock_may_be_in_the_making(tmp_path: Path) -> None:
    """For a day, and longer while a process stands in it."""
    new, old = tmp_path / "new", tmp_path / "old"
    for folder in (new, old):
        folder.mkdir()
    os.utime(old, (0, time.time() - 90_000))

    assert [is_abandoned(folder) for folder in (new, old)] == [False, True]
    fd = os.open(old, os.O_RDONLY)
    try:
        assert not is_abandoned(old)
    finally:
        os.close(fd)
