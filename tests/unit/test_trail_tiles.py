"""Tiles: a third party rebuilds every root from them, and they grow by what is new."""

import struct
from pathlib import Path

import pytest

from pev.errors import InvalidInput, StorageFailed, TrailCorrupt
from pev.events import Kind
from pev.models import RepoId, repo_stream
from pev.trail.keyring import Keyring
from pev.trail.merkle import Frontier, leaf_hash
from pev.trail.notary import Notary
from pev.trail.store import Trail
from pev.trail.tiles import tile_path, write_tiles
from support.trail_events import event

STREAM = repo_stream(RepoId("app-1"))


def grow(trail: Trail, count: int) -> None:
    trail.append(STREAM, [event(Kind.COMMAND_RAN, n=n) for n in range(count)], expected_version=None)


def publish(trail: Trail, keys: Path, folder: Path) -> int:
    head = Notary(trail, Keyring(keys, origin="example.org/pev")).checkpoint()
    return write_tiles(trail, folder, head.checkpoint, head.note)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def entries(folder: Path) -> list[bytes]:
    """Read all entries as a monitor does that knows the layout and nothing of PEV."""
    size = int((folder / "checkpoint").read_text(encoding="utf-8").split("\n")[1])
    found: list[bytes] = []
    for index in range(-(-size // 256)):
        data = (folder / tile_path("entries", index, min(256, size - index * 256))).read_bytes()
        while data:
            (length,) = struct.unpack(">H", data[:2])
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
    return found


@pytest.mark.parametrize(
    ("index", "width", "path"),
    [
        (0, 256, "tile/0/000"),
        (1234067, 256, "tile/0/x001/x234/067"),
        (1000, 7, "tile/0/x001/000.p/7"),
        (999, 255, "tile/0/999.p/255"),
    ],
)
def test_a_tile_has_the_name_that_others_look_for(index: int, width: int, path: str) -> None:
    assert tile_path(0, index, width) == path


def test_the_tiles_give_the_root_that_was_signed(tmp_path: Path) -> None:
    """Entries hash to the tiles of level 0, those to the next, and all to the checkpoint's root."""
    folder = tmp_path / "tiles"
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        grow(trail, 599)
        publish(trail, tmp_path / "key", folder)
        head = trail.head()

    tree = Frontier()
    for entry in entries(folder):
        tree.add(leaf_hash(entry))
    leaves = b"".join(
        (folder / name).read_bytes() for name in ("tile/0/000", "tile/0/001", "tile/0/002.p/88")
    )
    assert tree.head() == head
    assert leaves == b"".join(leaf_hash(entry) for entry in entries(folder))
    assert (folder / "tile/1/000.p/2").stat().st_size == 64
    assert files(folder) == {
        "checkpoint",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    }


def test_a_log_that_grew_writes_only_what_is_new(tmp_path: Path) -> None:
    """Full tiles never change; a partial one goes when the full one is there."""
    folder = tmp_path / "tiles"
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        grow(trail, 599)
        publish(trail, tmp_path / "key", folder)
        written = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
        assert publish(trail, tmp_path / "key", folder) == 1  # the checkpoint
        grow(trail, 200)
        count = publish(trail, tmp_path / "key", folder)

        tree = Frontier()
        for entry in entries(folder):
            tree.add(leaf_hash(entry))
        assert tree.head() == trail.head()

    assert count == 6  # each a full and a partial one of level 0 and of the entries, one of level 1, the head
    assert "tile/0/002.p/88" not in files(folder)
    assert (folder / "tile/0/000").stat().st_mtime_ns == written["tile/0/000"]


def test_a_tile_of_a_publishing_that_was_broken_off_is_not_taken_for_one_of_this_log(tmp_path: Path) -> None:
    """Written before the checkpoint that never was, by a log that has other events there now."""
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        grow(trail, 10)
        publish(trail, tmp_path / "key", tmp_path / "fresh")
        bundles = [path for path in files(tmp_path / "fresh") if path.startswith("tile/")]
        for name in bundles:
            wrong = tmp_path / "web" / name
            wrong.parent.mkdir(parents=True, exist_ok=True)
            wrong.write_bytes(bytes((tmp_path / "fresh" / name).stat().st_size))
        publish(trail, tmp_path / "key", tmp_path / "web")
    assert bundles
    for name in bundles:
        assert (tmp_path / "web" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_a_log_that_is_no_continuation_is_not_published_over_another(tmp_path: Path) -> None:
    """Who rolled the log back must not make the published one forget it, too."""
    folder = tmp_path / "tiles"
    for name, count in (("a", 40), ("b", 20), ("c", 60)):
        with Trail.open(tmp_path / name / "trail.sqlite3") as trail:
            grow(trail, count)
            if name == "a":
                publish(trail, tmp_path / "key", folder)
                continue
            with pytest.raises(TrailCorrupt, match="does not extend"):
                publish(trail, tmp_path / "key", folder)


def test_a_folder_with_another_file_in_the_checkpoints_place_is_refused(tmp_path: Path) -> None:
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        (tmp_path / "tiles").mkdir()
        (tmp_path / "tiles" / "checkpoint").write_text("mine\n", encoding="utf-8")
        with pytest.raises(InvalidInput):
            publish(trail, tmp_path / "key", tmp_path / "tiles")


def test_a_place_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with (
        Trail.open(tmp_path / "trail.sqlite3") as trail,
        pytest.raises(StorageFailed, match="cannot be written"),
    ):
        publish(trail, tmp_path / "key", tmp_path / "file" / "tiles")


def test_a_missing_event_is_not_published(tmp_path: Path) -> None:
    with Trail.open(tmp_path / "trail.sqlite3") as trail:
        grow(trail, 10)
        with trail._database.writing() as connection:
            connection.execute("DELETE FROM events WHERE seq = 3")
        with pytest.raises(TrailCorrupt, match="1 are missing"):
            publish(trail, tmp_path / "key", tmp_path / "tiles")
