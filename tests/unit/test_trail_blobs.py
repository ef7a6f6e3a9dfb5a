"""Blobs: addressed by what is stored, redacted where they are text, checked when they are read."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import BlobUnknown, InvalidInput, TrailCorrupt
from pev.models import Digest, digest_of
from pev.trail import blobs
from pev.trail.blobs import pack, prepare_blob, unpack
from pev.trail.redact import Redactor
from pev.trail.store import Trail

SECRET = "glpat-" + "x9Y8z7W6v5" * 2
GONE = "[redacted:gitlab-token]"


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    """An empty trail."""
    with Trail.open(tmp_path / "trail.sqlite3") as opened_trail:
        yield opened_trail


@pytest.mark.parametrize("data", [b"", b"x", b"\0\xff" * 1000, b"log line\n" * 100_000, "ü".encode()])
def test_content_comes_back_equal_under_its_sha256(trail: Trail, data: bytes) -> None:
    """Text and bytes, empty and large."""
    digest = trail.put_blob(data, "text/plain; charset=utf-8")

    blob = trail.get_blob(digest)

    assert digest == digest_of(data) == blob.digest
    assert (blob.data, blob.media_type, blob.redacted) == (data, "text/plain; charset=utf-8", False)


def test_equal_content_is_stored_once(trail: Trail) -> None:
    """The same log of a cached check costs nothing."""
    assert trail.put_blob(b"same", "text/plain") == trail.put_blob(b"same", "text/plain")
    connection = sqlite3.connect(trail._database.path)
    assert connection.execute("SELECT count(*) FROM blobs").fetchone() == (1,)
    connection.close()


def test_an_unknown_digest_is_said(trail: Trail) -> None:
    """With the digest that was asked for."""
    with pytest.raises(BlobUnknown, match="no blob '0123'"):
        trail.get_blob(Digest("0123"))


def test_content_that_was_changed_is_not_handed_out(trail: Trail) -> None:
    """Evidence is right or refused."""
    digest = trail.put_blob(b"all green", "text/plain")
    connection = sqlite3.connect(trail._database.path)
    connection.execute("UPDATE blobs SET packed = ?", (pack(b"all wrong"),))
    connection.commit()
    connection.close()

    with pytest.raises(TrailCorrupt, match="is not what its digest says"):
        trail.get_blob(digest)


@pytest.mark.parametrize(
    ("data", "media_type", "clean"),
    [
        (f"t {SECRET}\n".encode(), "text/plain", f"t {GONE}\n".encode()),
        (f"\xff {SECRET}".encode("latin-1"), "text/plain", b"\xff " + GONE.encode()),
        (f"+{SECRET}".encode(), "application/x-diff", f"+{GONE}".encode()),
        (f"{SECRET}".encode(), "application/octet-stream", GONE.encode()),
        (
            json.dumps({"a": [SECRET, 1.0]}).encode(),
            "application/json",
            b'{"a":["' + GONE.encode() + b'",1]}',
        ),
        (f"{{not json {SECRET}".encode(), "application/json", f"{{not json {GONE}".encode()),
        (
            json.dumps({"n": 2**60, "a": SECRET}).encode(),
            "application/json",
            json.dumps({"n": 2**60, "a": GONE}).encode(),
        ),
        (
            json.dumps({"token": "a1b2c3d4"}).encode(),
            "application/sarif+json",
            b'{"token":"[redacted:assigned-secret]"}',
        ),
    ],
)
def test_text_is_redacted_before_it_is_hashed(
    trail: Trail, data: bytes, media_type: str, clean: bytes
) -> None:
    """Bytes that are not UTF-8 stay as they are around it, and JSON stays JSON."""
    digest = trail.put_blob(data, media_type)

    blob = trail.get_blob(digest)

    assert blob.data == clean
    assert digest == digest_of(clean)
    assert blob.redacted


def test_json_without_secrets_keeps_its_own_spelling() -> None:
    """Only what must be rewritten is."""
    data = b'{ "b": 1.0,\n "a": 12345678901234567890 }'

    assert prepare_blob(data, "application/json", Redactor()).data == data


def test_binary_content_is_left_alone() -> None:
    """A picture must not break because some bytes look like a token."""
    data = b"\x89PNG\0" + SECRET.encode()

    assert prepare_blob(data, "image/png", Redactor()).data == data


@pytest.mark.parametrize("media_type", ["", "text", "text/", "/plain", "text/plain\n", "text/" + "x" * 200])
def test_a_media_type_of_another_form_is_refused(trail: Trail, media_type: str) -> None:
    """It ends up in answers and headers."""
    with pytest.raises(InvalidInput, match="is no media type"):
        trail.put_blob(b"x", media_type)


def test_content_that_is_too_large_is_refused(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its size and the limit."""
    monkeypatch.setattr(blobs, "MAX_BLOB_BYTES", 10)

    with pytest.raises(InvalidInput, match="blob has 11 bytes, more than 10"):
        trail.put_blob(b"x" * 11, "text/plain")


@given(st.binary(max_size=200))
def test_packing_is_undone(data: bytes) -> None:
    """And only with the size that it had."""
    assert unpack(pack(data), len(data)) == data
    assert unpack(pack(data), len(data) + 1) is None
    assert unpack(pack(data)[:-1], len(data)) is None
    if data:
        assert unpack(pack(data), len(data) - 1) is None


def test_a_bomb_is_not_unpacked() -> None:
    """A few kilobytes that would become a gigabyte stop at the size that the row claims."""
    assert unpack(pack(b"\0" * 50_000_000), 100) is None


def test_text_of_a_blob_replaces_what_is_not_utf_8(trail: Trail) -> None:
    """A reader always gets text."""
    assert trail.get_blob(trail.put_blob(b"a\xffb", "text/plain")).text() == "a\ufffdb"
