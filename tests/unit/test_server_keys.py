"""The key that seals a client's state: made once, readable by its user alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pev.errors import ConfigInvalid
from pev_server.keys import KEY_BYTES, load_key


def test_the_key_is_made_once_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    key = load_key(path)
    assert len(key) == KEY_BYTES
    assert load_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_those_who_make_it_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(load_key, [tmp_path / "key"] * 64))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_key(path)
    path.chmod(0o644)
    with pytest.raises(ConfigInvalid, match="others can read"):
        load_key(path)


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(ConfigInvalid, match="5 bytes"):
        load_key(path)
