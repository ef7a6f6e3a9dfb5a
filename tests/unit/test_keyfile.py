"""Files of keys: made once, for their owner alone, and never half written."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pev.errors import ConfigInvalid
from pev.keyfile import KEY_BYTES, made_once, random_key, read_private, replace_private


def test_the_key_is_made_once_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    key = random_key(path)
    assert len(key) == KEY_BYTES
    assert random_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_those_who_make_it_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(random_key, [tmp_path / "key"] * 64))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    random_key(path)
    path.chmod(mode)
    with pytest.raises(ConfigInvalid, match="others can read"):
        random_key(path)


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(ConfigInvalid, match="5 bytes"):
        random_key(path)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Nobody writes to that pipe: a plain open would wait for ever."""
    make(tmp_path / "key")
    with pytest.raises(ConfigInvalid, match="it is no file"):
        read_private(tmp_path / "key")


def test_a_key_that_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    """A folder in the way of the state directory, and a maker that fails."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigInvalid, match=r"cannot be (read|written)"):
        random_key(tmp_path / "file" / "key")

    def fails() -> bytes:
        raise ValueError("no key today")

    with pytest.raises(ValueError, match="no key today"):
        made_once(tmp_path / "key", fails)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_replaces_a_key_is_as_private_as_the_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    random_key(path)
    replace_private(path, b"other")
    assert read_private(path) == b"other"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
