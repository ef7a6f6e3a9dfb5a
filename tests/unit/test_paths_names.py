"""Which names, links, patterns and encodings are taken, by rules that need no disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import SnapshotRefused
from pev.repos.encoding import decode, encode, is_binary
from pev.repos.globbing import Glob
from pev.repos.names import check_link, check_paths, fault_of_name, fold


@pytest.mark.parametrize("name", ["a.py", "á.txt", "with space", "名前", ".gitignore", "git", "emoji-🎉"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert fault_of_name(name) is None


@pytest.mark.parametrize(
    "name", [".git", ".GIT", ".Git", "a\nb", "a\x1bb", "a\x7f", "x\u202ey", "a\u2028b", "caf\udce9"]
)
def test_names_that_deceive_a_reader_or_a_tool_are_not(name: str) -> None:
    assert fault_of_name(name)


def test_names_that_differ_only_in_case_or_composition_collide() -> None:
    """One of the two would be lost on a disk that does not tell them apart."""
    for pair in (["a/B.py", "a/b.py"], ["A/x", "a/y"], ["é", "e\u0301"], ["straße", "STRASSE"]):
        with pytest.raises(SnapshotRefused, match="only in case"):
            check_paths(pair)
    check_paths(["a/b", "b/a", "a.b", "ab"])


def test_the_refusal_names_the_whole_path() -> None:
    with pytest.raises(SnapshotRefused, match=r"src/deep/\.git"):
        check_paths(["src/ok.py", "src/deep/.git/config"])


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../x/y"), ("a", "./b/c"), ("a", "missing"), ("d/a", "..")],
)
def test_links_inside_are_taken(path: str, target: str) -> None:
    check_link(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("a", "../x"),
        ("d/a", "../../x"),
        ("d/a", ".././../x"),
        ("a", "up/.."),
        ("d/a", "x/../../.."),
        ("a", ".git/config"),
        ("d/a", "../.GIT/hooks"),
        ("a", ""),
    ],
)
def test_links_that_could_lead_out_are_refused(path: str, target: str) -> None:
    """`up/..` looks harmless, but where `up` is a link to the top it is the folder above."""
    with pytest.raises(SnapshotRefused):
        check_link(path, target)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("**", "a/b.py", True),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("*.py", "a/b.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/x/a.py", False),
        ("src/**", "src/x/a.py", True),
        ("src/**", "src", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("[!a]*", "abc", False),
        ("?.py", "ab.py", False),
        ("/src/a.py", "src/a.py", True),
        ("", "anything", True),
    ],
)
def test_globs_mean_what_they_mean_elsewhere(pattern: str, path: str, matches: bool) -> None:
    assert Glob(pattern).matches(path) is matches


def test_no_glob_takes_long() -> None:
    """Patterns come from models: one that backtracks for ever would stop the server."""
    assert not Glob("**/" * 50 + "*a" * 100 + "b").matches("/".join(["a" * 200] * 30))


@given(data=st.binary(max_size=200))
def test_any_bytes_survive_reading_and_writing(data: bytes) -> None:
    """What was read and is written back unchanged is the same file, whatever its encoding."""
    text, encoding = decode(data)
    assert encode(text, encoding) == data


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_is_text_in_its_own_encoding(encoding: str) -> None:
    data = "naïve\r\nü\n".encode(encoding)
    text, named = decode(data)
    assert text == "naïve\r\nü\n"
    assert not is_binary(data)
    assert encode(text.replace("ü", "ö"), named).decode(encoding) == "naïve\r\nö\n"


def test_a_nul_makes_a_file_binary() -> None:
    assert is_binary(b"\x7fELF\0\0")
    assert not is_binary(b"plain")


def test_folding_is_the_same_for_ascii_and_beyond() -> None:
    assert fold("ABC") == "abc"
    assert fold("É") == fold("e\u0301")
