"""Files that no check can read although a program could run them."""

import io
import lzma
import pickle
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.opaque import what_is

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "1")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a.py"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("path", "raw", "kind"),
    [
        ("a.so", b"\x7fELF\2\1\1", "machine code"),
        ("data.txt", b"\x7fELF\2\1\1", "machine code"),
        ("a.bin", b"MZ" + bytes(60) + struct.pack("<I", 64) + b"PE\0\0", "machine code"),
        ("a", b"\xcf\xfa\xed\xfe\7", "machine code"),
        ("a.wasm", b"\0asm\1\0\0\0", "machine code"),
        ("a.dll", b"odd\0", "machine code"),
        ("a.zip", zipped("a.py"), "an archive"),
        ("a.dat", zipped(), "an archive"),
        ("shelf.png", PNG + zipped("a.py"), "an archive"),
        ("a.docx", zipped("word/document.xml", "run.py"), "an archive"),
        ("a.tar", tarred(), "an archive"),
        ("a.xz", lzma.compress(b"x"), "an archive"),
        ("model", pickle.dumps([1]), "a pickle"),
        ("model.pkl", b"(lp0\0", "a pickle"),
    ],
)
def test_what_runs_and_cannot_be_read_is_known(path: str, raw: bytes, kind: str) -> None:
    assert what_is(path, raw) == kind


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("shelf.png", PNG),
        ("a.docx", zipped("word/document.xml")),
        ("a.woff2", b"wOF2\0\1\0\0"),
        ("a.py", b"MZ = 1\n"),
        ("notes.o", b"a text\n"),
        ("a.sqlite", b"SQLite format 3\0"),
        ("empty.pkl", b""),
    ],
)
def test_pictures_documents_and_texts_pass(path: str, raw: bytes) -> None:
    assert what_is(path, raw) is None


@given(st.binary(max_size=400), st.sampled_from([b"", b"PK\3\4", b"PK\5\6", b"\x80\4"]))
def test_every_file_can_be_looked_at(raw: bytes, start: bytes) -> None:
    assert what_is("a.docx", start + raw) in (None, "machine code", "an archive", "a pickle")
