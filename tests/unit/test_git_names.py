"""Names of branches and revisions: an allow-list that lets nothing through that git would not take."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pev.errors import RefInvalid
from pev.git import check_branch, check_revision, is_agent_branch, is_hex, is_plain_url, short_ref

GOOD = [
    "main",
    "agent/0123abcd",
    "feature/añadir-x",
    "v1.0",
    "a.b",
    "x@y",
    "release_1+2",
    "功能/登录",
    "-".join("ab"),
]
BAD = [
    "",
    "-x",
    "--upload-pack=evil",
    "a..b",
    "a@{1}",
    "@",
    "HEAD",
    ".a",
    "a/.b",
    "a.",
    "a/",
    "/a",
    "a//b",
    "x.lock",
    "x.lock/y",
    "a b",
    "a\nb",
    "a\0b",
    "a\x7fb",
    "a~1",
    "a^",
    "a:b",
    "a?b",
    "a*b",
    "a[b",
    "a\\b",
    "a;rm",
    "$(x)",
    "`x`",
    "x" * 201,
    "é" * 101,
    "a\u202eb",
]
_pieces = st.sampled_from(
    ["a", "B", "7", "-", "_", ".", "..", "/", "@", "@{", "~", "^", ":", ".lock", " ", "é", "\n"]
)
_names = st.one_of(st.text(max_size=12), st.lists(_pieces, max_size=8).map("".join))


def _git_accepts(name: str) -> bool:
    done = subprocess.run(
        ["git", "check-ref-format", "--branch", name.encode("utf-8", "surrogatepass")],
        capture_output=True,
        cwd="/",
    )
    return done.returncode == 0


@pytest.mark.parametrize("name", GOOD)
def test_ordinary_branch_names_pass_unchanged(name: str) -> None:
    assert check_branch(name) == name


@pytest.mark.parametrize("name", BAD)
def test_other_branch_names_are_refused(name: str) -> None:
    """Whatever could be an option, a range, a reflog entry, a pattern or a shell word."""
    with pytest.raises(RefInvalid):
        check_branch(name)


@given(name=_names)
@settings(max_examples=150, deadline=None)
def test_what_passes_is_a_branch_for_git_too(name: str) -> None:
    """The allow-list is narrower than git's own rules, never wider."""
    try:
        check_branch(name)
    except RefInvalid:
        return
    assert _git_accepts(name)
    assert not name.startswith("-")


@given(
    rev=st.one_of(
        _names,
        st.tuples(_names, st.sampled_from(["~", "^", "~3", "^2~1", "^{tree}", "@{1}", "..x"])).map("".join),
    )
)
@settings(max_examples=150, deadline=None)
def test_a_revision_is_a_name_with_steps(rev: str) -> None:
    """So it can be neither an option nor a range nor a path."""
    try:
        check_revision(rev)
    except RefInvalid:
        return
    name = rev.split("~")[0].split("^")[0]
    assert name == "HEAD" or _git_accepts(name)
    assert ".." not in rev
    assert ":" not in rev
    assert not rev.startswith("-")
    assert set(rev[len(name) :]) <= set("~^0123456789")


@pytest.mark.parametrize(
    "rev", ["HEAD", "HEAD~2", "main^", "v1.0^2~3", "0123abcd", "a" * 40, "refs/heads/main"]
)
def test_the_usual_revisions_pass(rev: str) -> None:
    assert check_revision(rev) == rev


@pytest.mark.parametrize(
    "rev", ["-1", "HEAD@{1}", "a..b", "main:file", "main^{tree}", "~1", "", ":/fix", "HEAD~1234567"]
)
def test_other_revisions_are_refused(rev: str) -> None:
    with pytest.raises(RefInvalid):
        check_revision(rev)


def test_the_error_names_the_value_and_the_way_out() -> None:
    with pytest.raises(RefInvalid, match="--evil") as caught:
        check_branch("--evil")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://example.invalid/x.git", True),
        ("git@example.invalid:x/y.git", True),
        ("/srv/git/x.git", True),
        ("ext::sh -c evil", False),
        ("fd::17", False),
        ("--upload-pack=evil", False),
        ("", False),
        ("https://x\n", False),
    ],
)
def test_a_url_that_would_run_something_is_not_plain(url: str, plain: bool) -> None:
    assert is_plain_url(url) is plain


def test_only_our_branches_are_agent_branches() -> None:
    assert is_agent_branch("agent/0123abcd")
    assert not any(
        is_agent_branch(name) for name in ("agent/0123abc", "agent/0123abcdg", "main", "agent/0123abcd\n")
    )


def test_hex_names_and_short_refs() -> None:
    assert is_hex("0123abc")
    assert not is_hex("xyz")
    assert short_ref("refs/heads/a/b") == "a/b"
    assert short_ref("refs/remotes/origin/main") == "origin/main"
