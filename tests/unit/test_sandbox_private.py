"""Folders for temporary files: gone with their command, and swept when it was killed."""

import os
import time
from pathlib import Path

import pytest

from pev.errors import SandboxUnavailable
from pev.sandbox.private import private_folder, sweep


def test_a_folder_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with private_folder(tmp_path / "commands") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert list(folder.iterdir()) == []
        (folder / "closed").mkdir(mode=0)
        sweep(tmp_path / "commands")
        assert folder.is_dir()
    assert list((tmp_path / "commands").iterdir()) == []


def test_what_nobody_holds_is_swept_and_what_is_new_or_elsewhere_is_not(tmp_path: Path) -> None:
    """A folder without a lock may be one that is being made."""
    dead, new, old = (tmp_path / f"pev-command-{name}" for name in ("dead", "new", "old"))
    for folder in (dead, new, old):
        (folder / "tmp").mkdir(parents=True)
    (dead / "lock").touch()
    os.utime(old, (0, time.time() - 90_000))
    (tmp_path / "other").mkdir()
    outside = tmp_path / "other" / "kept"
    outside.touch()
    (tmp_path / "pev-command-link").symlink_to(outside.parent)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "other",
        "pev-command-link",
        "pev-command-new",
    ]
    assert outside.exists()


def test_a_place_that_is_no_folder_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SandboxUnavailable, match="temporary files"), private_folder(tmp_path / "file"):
        pass
