"""Places: local disks only, whatever the mount table looks like."""

from pathlib import Path

import pytest

from pev.errors import TrailUnavailable
from pev.trail import place
from pev.trail.place import file_system_type, prepare_place, type_in_mounts, type_in_statfs
from pev.trail.store import Trail

TABLE = """\
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
tmpfs /home/ada/local tmpfs rw 0 0
//server/share /mnt/my\\040share cifs rw 0 0
C: /mnt/c 9p rw,dirsync 0 0
sshfs#x /over fuse.sshfs rw 0 0
/dev/sdb1 /over xfs rw 0 0
malformed
"""


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("/var/lib/pev", "ext4"),
        ("/home/ada/.local/state/pev", "nfs4"),
        ("/homestead", "ext4"),
        ("/home/ada/local/pev", "tmpfs"),
        ("/mnt/my share/pev", "cifs"),
        ("/mnt/c/Users/ada", "9p"),
        ("/over/pev", "xfs"),
    ],
)
def test_the_deepest_and_latest_mount_decides(folder: str, found: str) -> None:
    """Names with blanks are written in octal, and a mount can hide another."""
    assert type_in_mounts(TABLE, Path(folder)) == found


def test_a_table_without_a_mount_for_the_folder_says_nothing() -> None:
    """Rather than something."""
    assert type_in_mounts("", Path("/x")) == ""
    assert type_in_mounts("tmpfs /other tmpfs rw 0 0\n", Path("/x")) == ""


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre"]
)
def test_a_trail_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its locks cannot be relied on; nothing is made there."""
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(place, "MOUNTS", table)

    with pytest.raises(TrailUnavailable, match=rf"network file system \({kind}\)") as caught:
        Trail.open(tmp_path / "state" / "pev" / "trail.sqlite3")

    assert "PEV_STATE_DIR" in caught.value.hint
    assert not (tmp_path / "state").exists()


def test_a_link_that_leads_to_a_network_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file lies where the link leads."""
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path}/far nfs4 rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(place, "MOUNTS", table)

    with pytest.raises(TrailUnavailable, match="nfs4"):
        prepare_place(tmp_path / "near" / "trail.sqlite3")


def test_a_folder_of_this_machine_has_a_type(tmp_path: Path) -> None:
    """The look-up works on the real mount table."""
    assert file_system_type(tmp_path) not in ("", *place.NETWORK)


def test_the_type_of_a_mac_is_read_from_its_structure() -> None:
    """`f_fstypename` stands at byte 72 and ends with a zero."""
    assert type_in_statfs(b"\xff" * 72 + b"smbfs\0garbage..." + b"\xff" * 1024) == "smbfs"
    assert type_in_statfs(b"\xff" * 72 + b"apfs" + b"\0" * 12) == "apfs"


def test_a_file_in_the_way_of_a_folder_is_said(tmp_path: Path) -> None:
    """With the path, and what to do."""
    (tmp_path / "state").write_text("a file", encoding="utf-8")

    with pytest.raises(TrailUnavailable, match="cannot be made: Not a directory") as caught:
        Trail.open(tmp_path / "state" / "pev" / "trail.sqlite3")
    assert "PEV_STATE_DIR" in caught.value.hint

    with pytest.raises(TrailUnavailable, match="cannot be made"):
        Trail.open(tmp_path / "state" / "trail.sqlite3")
