"""The keys that sign checkpoints: made once, for their owner alone, and changed with an overlap."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pev.errors import ConfigInvalid, InvalidInput
from pev.trail.keyring import Keyring


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "checkpoint.key"
    (key,) = Keyring(path).keys()

    assert Keyring(path).keys() == (key,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.name.startswith("pev.local/")


def test_those_who_make_it_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: Keyring(tmp_path / "key").keys(), range(32)))

    assert len(found) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".key.lock", "key"]


def test_keys_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Keyring(tmp_path / "key").add(), range(4)))

    assert len(Keyring(tmp_path / "key").keys()) == 5


def test_a_new_key_stands_before_the_old_one_until_that_is_removed(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "key", origin="example.org/pev")
    (old,) = ring.keys()
    new, kept = ring.add()

    assert (kept, new.name) == (old, "example.org/pev")
    assert ring.remove(old.verifier.id.hex()) == old.verifier
    assert ring.keys() == (new,)


def test_the_newest_key_cannot_be_removed(tmp_path: Path) -> None:
    """A log without a key could not say any more what it is."""
    ring = Keyring(tmp_path / "key")
    (key,) = ring.keys()

    with pytest.raises(InvalidInput) as caught:
        ring.remove(key.verifier.id.hex())
    assert "the newest stays" in caught.value.hint
    assert ring.keys() == (key,)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    Keyring(tmp_path / "key").keys()
    (tmp_path / "key").chmod(mode)

    with pytest.raises(ConfigInvalid, match="others can read"):
        Keyring(tmp_path / "key").keys()


@pytest.mark.parametrize("text", ["", "PRIVATE+KEY+a+00000000+AAAA\n", "nonsense\n"])
def test_a_file_without_keys_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text, encoding="utf-8")
    (tmp_path / "key").chmod(0o600)

    with pytest.raises(ConfigInvalid) as caught:
        Keyring(tmp_path / "key").keys()
    assert "AAAA" not in str(caught.value)


def test_a_log_keeps_its_name(tmp_path: Path) -> None:
    """Who knows a log by its name would take a renamed one for another."""
    Keyring(tmp_path / "key", origin="example.org/a").keys()

    with pytest.raises(ConfigInvalid, match=r"has keys for .*/a"):
        Keyring(tmp_path / "key", origin="example.org/b").keys()


def test_a_name_with_a_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no name of a log"):
        Keyring(tmp_path / "key", origin="my log")


def test_a_folder_in_the_place_of_the_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()

    with pytest.raises(ConfigInvalid):
        Keyring(tmp_path / "key").keys()
