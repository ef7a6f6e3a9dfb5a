"""What git prints becomes values, also where names and contents are odd; our objects are git's objects."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pev.models import ObjectId
from pev.repos.objects import (
    EXECUTABLE,
    FILE,
    FOLDER,
    SYMLINK,
    DiffStat,
    FileStat,
    Status,
    parse_changed_lines,
    parse_contents,
    parse_numstat,
    parse_raw,
    parse_tree,
)
from pev.repos.pack import NewObject, Node, object_id, tree_content, write_pack

OID = "0123456789abcdef0123456789abcdef01234567"
ZERO = "0" * 40


def test_a_tree_listing_has_mode_kind_id_path_and_size() -> None:
    listing = f"100644 blob {OID}       7\ta b.txt\0".encode() + f"040000 tree {OID}       -\td\0".encode()
    file, folder = parse_tree(listing)
    assert (file.mode, file.kind, file.oid, file.path, file.size) == ("100644", "blob", OID, "a b.txt", 7)
    assert folder.size is None


def test_names_that_are_not_utf8_survive() -> None:
    [entry] = parse_tree(f"100644 blob {OID} 1\t".encode() + b"caf\xe9\0")
    assert os.fsencode(entry.path) == b"caf\xe9"


def test_raw_changes_know_renames_and_types() -> None:
    listing = (
        f":100644 100644 {OID} {OID} R090\0old.py\0new.py\0"
        f":000000 100644 {ZERO} {OID} A\0a\0"
        f":100644 120000 {OID} {OID} T\0t\0"
        f":100644 000000 {OID} {ZERO} D\0d\0"
    ).encode()
    renamed, added, typed, deleted = parse_raw(listing)
    assert (renamed.status, renamed.old_path, renamed.path) == (Status.RENAMED, "old.py", "new.py")
    assert (added.status, added.path, added.old_path) == (Status.ADDED, "a", "a")
    assert typed.status is Status.TYPE_CHANGED
    assert (deleted.status, deleted.new_oid) == (Status.DELETED, ZERO)


def test_a_diff_stat_adds_up_and_marks_binary_files() -> None:
    stat = parse_numstat(b"3\t1\ta.py\0-\t-\timage\0" + b"2\t0\t\0old\0new\0")
    assert stat == DiffStat((FileStat("a.py", 3, 1), FileStat("image", 0, 0, True), FileStat("new", 2, 0)))
    assert (stat.added, stat.removed) == (5, 1)


def test_missing_objects_are_none_and_contents_are_exact() -> None:
    output = (
        f"{OID} blob 5\n".encode() + b"a\n\0b\n" + b"\n" + b"x:y missing\n" + f"{OID} tree 0\n\n".encode()
    )
    first, missing, tree = parse_contents(output)
    assert first is not None
    assert (first.oid, first.kind, first.data) == (OID, "blob", b"a\n\0b\n")
    assert missing is None
    assert tree is not None
    assert (tree.kind, tree.data) == ("tree", b"")


def test_a_line_that_looks_like_a_header_is_only_a_line() -> None:
    """Content of a change must not be able to shift which lines count as changed."""
    patch = (
        b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n--- a/other\n-@@ -1 +1 @@\n"
        b"+++ b/other\n+@@ -9,9 +9,9 @@\n+z\n\\ No newline at end of file\n"
        b"diff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -4,0 +5,2 @@\n+a\n+b\n"
    )
    assert parse_changed_lines(patch) == {"x": frozenset({1, 2, 3}), "y": frozenset({5, 6})}


@pytest.mark.parametrize(
    ("header", "path"),
    [(b"+++ b/a b.py\t", "a b.py"), (b'+++ "b/t\\tq\\"\\\\.py"', 't\tq"\\.py'), (b'+++ "b/\\303\\251"', "é")],
)
def test_quoted_names_in_a_patch_are_read_back(header: bytes, path: str) -> None:
    assert parse_changed_lines(header + b"\n@@ -0,0 +1 @@\n+x\n") == {path: frozenset({1})}


def _git(repo: Path, *args: str, stdin: bytes | None = None) -> bytes:
    return subprocess.run(["git", *args], cwd=repo, input=stdin, check=True, capture_output=True).stdout


@pytest.fixture(scope="module", params=["sha1", "sha256"])
def bare(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """An empty bare repository of either object format."""
    path = tmp_path_factory.mktemp("bare")
    _git(path, "init", "-q", "--bare", f"--object-format={request.param}")
    return path, request.param


_names = st.text(st.characters(exclude_characters="/\0\n", exclude_categories=["Cs"]), min_size=1, max_size=6)


@pytest.mark.long_search
@given(
    contents=st.dictionaries(
        _names.filter(lambda name: name not in (".", "..")), st.binary(max_size=300), max_size=6
    )
)
@settings(max_examples=20, deadline=None)
def test_our_objects_are_what_git_would_have_written(
    bare: tuple[Path, str], contents: dict[str, bytes]
) -> None:
    """Ids, order and packs are git's own, or no snapshot would be the tree that it claims to be."""
    repo, algorithm = bare
    contents = {
        name: data for name, data in contents.items() if ".git" not in name.lower() and "~" not in name
    }
    blobs = {
        name: NewObject("blob", object_id("blob", data, algorithm), data) for name, data in contents.items()
    }
    nodes = [Node(name, FILE, blob.oid) for name, blob in blobs.items()]
    content = tree_content(nodes)
    tree = NewObject("tree", object_id("tree", content, algorithm), content)
    pack = write_pack([*{blob.oid: blob for blob in blobs.values()}.values(), tree], algorithm)
    _git(repo, "unpack-objects", "-q", stdin=pack)
    listing = b"".join(
        f"{FILE} blob {blob.oid}\t".encode() + os.fsencode(name) + b"\0" for name, blob in blobs.items()
    )
    assert _git(repo, "mktree", "-z", stdin=listing).decode().strip() == tree.oid
    for blob in blobs.values():
        assert _git(repo, "cat-file", "blob", blob.oid) == blob.content


def test_a_folder_sorts_as_if_its_name_ended_with_a_slash(bare: tuple[Path, str]) -> None:
    repo, algorithm = bare
    blob = NewObject("blob", object_id("blob", b"x", algorithm), b"x")
    inner = tree_content([Node("f", EXECUTABLE, blob.oid), Node("l", SYMLINK, blob.oid)])
    folder = NewObject("tree", object_id("tree", inner, algorithm), inner)
    nodes = [Node("a", FOLDER, folder.oid), Node("a.b", FILE, blob.oid), Node("a0", FILE, blob.oid)]
    outer = tree_content(nodes)
    top = NewObject("tree", object_id("tree", outer, algorithm), outer)
    _git(repo, "unpack-objects", "-q", "--strict", stdin=write_pack([blob, folder, top], algorithm))
    names = _git(repo, "ls-tree", "-r", "--name-only", top.oid).decode().split()
    assert names == ["a.b", "a/f", "a/l", "a0"]
    assert ObjectId(top.oid) == top.oid
