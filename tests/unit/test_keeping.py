"""What gates keep for the next ones: made once, copied, and never half of it."""

import os
import shutil
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pev.gate.keeping import MAX_KEPT, Keeping
from pev.models import Digest, digest_of


def key_of(number: int) -> Digest:
    return digest_of(str(number).encode())


class Maker:
    """Makes a folder with a file, and counts how often."""

    def __init__(self, folder: Path, *, worth: bool = True) -> None:
        self.calls = 0
        self._folder = folder
        self._worth = worth

    async def __call__(self) -> Path | None:
        self.calls += 1
        await anyio.lowlevel.checkpoint()
        self._folder.mkdir(exist_ok=True)
        (self._folder / "file").write_text("content")
        return self._folder if self._worth else None


async def test_what_is_kept_is_made_once_and_each_gets_a_copy(tmp_path: Path) -> None:
    keep, make = Keeping(tmp_path / "kept"), Maker(tmp_path / "made")
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(keep.copy, key_of(1), tmp_path / str(number), make)
    (tmp_path / "0" / "file").write_text("changed")

    assert await keep.copy(key_of(1), tmp_path / "last", make)
    assert (tmp_path / "last" / "file").read_text() == "content"
    assert make.calls == 1
    assert [one.name for one in (tmp_path / "kept").iterdir()] == [key_of(1)]


async def test_that_there_is_nothing_is_remembered_too(tmp_path: Path) -> None:
    keep, make = Keeping(tmp_path / "kept"), Maker(tmp_path / "made", worth=False)

    assert not await keep.copy(key_of(1), tmp_path / "a", make)
    assert not await keep.copy(key_of(1), tmp_path / "a", make)
    assert make.calls == 1
    assert not (tmp_path / "a").exists()


async def test_what_fails_while_it_is_made_is_made_again(tmp_path: Path) -> None:
    keep, make = Keeping(tmp_path / "kept"), Maker(tmp_path / "made")

    async def fail() -> Path | None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        await keep.copy(key_of(1), tmp_path / "a", fail)
    assert await keep.copy(key_of(1), tmp_path / "a", make)


async def test_what_was_longest_not_used_goes(tmp_path: Path) -> None:
    keep, make = Keeping(tmp_path / "kept"), Maker(tmp_path / "made")
    for number in range(MAX_KEPT):
        await keep.copy(key_of(number), tmp_path / f"first-{number}", make)
        os.utime(tmp_path / "kept" / key_of(number), (0, 1_000 + number))
    dead = tmp_path / "kept" / "making-dead"
    dead.mkdir()
    (dead / "lock").touch()
    await keep.copy(key_of(0), tmp_path / "used", make)
    await keep.copy(key_of(99), tmp_path / "new", make)

    there = {one.name for one in (tmp_path / "kept").iterdir()}
    assert len(there) == MAX_KEPT
    assert key_of(1) not in there
    assert {key_of(0), key_of(99)} <= there


async def test_one_that_goes_while_it_is_read_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, make = Keeping(tmp_path / "kept"), Maker(tmp_path / "made")
    await keep.copy(key_of(1), tmp_path / "a", make)

    def half(kept: Path, target: Path) -> None:
        target.mkdir()
        raise shutil.Error([(str(kept), str(target), "gone")])

    monkeypatch.setattr(shutil, "copytree", half)

    assert not await keep.copy(key_of(1), tmp_path / "b", make)
    assert not (tmp_path / "b").exists()
