"""Which paths a command sees: a pure plan of mounts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import InvalidInput, SandboxUnavailable
from pev.sandbox.grants import BLANK, Mount, Show, plan, system_mounts
from pev.sandbox.interface import Command
from pev.sandbox.seatbelt import profile, quoted


def _command(writable: tuple[Path, ...] = (), readable: tuple[Path, ...] = ()) -> Command:
    return Command(argv=("x",), cwd=Path("/"), env={}, limit_s=1, writable=writable, readable=readable)


def _shown(mounts: tuple[Mount, ...]) -> list[tuple[Show, Path]]:
    return [(one.show, one.dest) for one in mounts]


def test_outer_folders_come_first_and_the_deepest_grant_decides(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    command = _command(writable=(tmp_path / "a",), readable=(inner, tmp_path))
    assert _shown(plan(command, (), ())) == [
        (Show.READ, tmp_path),
        (Show.WRITE, tmp_path / "a"),
        (Show.READ, inner),
    ]


def test_what_changes_nothing_is_left_out(tmp_path: Path) -> None:
    inner = tmp_path / "a"
    inner.mkdir()
    assert _shown(plan(_command(writable=(tmp_path, inner)), (), ())) == [(Show.WRITE, tmp_path)]


def test_writing_wins_where_a_folder_is_granted_twice(tmp_path: Path) -> None:
    command = _command(writable=(tmp_path,), readable=(tmp_path,))
    assert _shown(plan(command, (), ())) == [(Show.WRITE, tmp_path)]


def test_git_data_is_covered_by_what_it_is(tmp_path: Path) -> None:
    clone, worktree, linked = tmp_path / "clone", tmp_path / "worktree", tmp_path / "linked"
    (clone / ".git").mkdir(parents=True)
    worktree.mkdir()
    (worktree / ".git").write_text("gitdir: x", encoding="utf-8")
    linked.mkdir()
    (linked / ".git").symlink_to(clone / ".git")
    mounts = {one.dest: one for one in plan(_command((worktree, linked), (clone,)), (), ())}
    assert mounts[clone / ".git"].show is Show.EMPTY
    assert (mounts[worktree / ".git"].show, mounts[worktree / ".git"].source) == (Show.BLANK, BLANK)
    assert linked / ".git" not in mounts


def test_a_hidden_folder_is_covered_below_a_grant_and_refused_as_one(tmp_path: Path) -> None:
    hidden = tmp_path / "state"
    (hidden / "worktree").mkdir(parents=True)
    mounts = plan(_command((tmp_path, hidden / "worktree")), (hidden,), ())
    assert _shown(mounts) == [
        (Show.WRITE, tmp_path),
        (Show.EMPTY, hidden),
        (Show.WRITE, hidden / "worktree"),
    ]
    with pytest.raises(SandboxUnavailable, match="state"):
        plan(_command((hidden,)), (hidden,), ())


def test_a_hidden_folder_that_no_grant_shows_needs_no_cover(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    assert _shown(plan(_command((tmp_path / "work",)), (tmp_path / "home",), ())) == [
        (Show.WRITE, tmp_path / "work")
    ]


def test_a_grant_through_a_link_shows_both_names(tmp_path: Path) -> None:
    """A virtual environment may name its Python by a link to it."""
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    assert _shown(plan(_command(readable=(tmp_path / "link",)), (), ())) == [
        (Show.READ, tmp_path / "link"),
        (Show.READ, real),
    ]


def test_a_link_inside_a_writable_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "planted").symlink_to("/etc")
    with pytest.raises(SandboxUnavailable, match="planted"):
        plan(_command((folder,), (folder / "planted",)), (), ())


@pytest.mark.parametrize("path", ["relative", "/", "/..", "/does/not/exist", "/a\0b"])
def test_what_cannot_be_granted_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        plan(_command((Path(path),)), (), ())


def test_the_system_is_shown_without_homes_sockets_and_secrets() -> None:
    shown = {one.dest for one in system_mounts()}
    assert all(one.show is not Show.WRITE for one in system_mounts())
    for path in (
        "/",
        "/etc",
        "/home",
        "/root",
        "/run",
        "/var",
        "/tmp",
        "/opt",
        "/etc/ssl",
        "/etc/shadow",
        "/sys",
    ):
        assert Path(path) not in shown
    assert Path("/usr") in shown


@given(st.text(st.characters(min_codepoint=32, codec="utf-8"), min_size=1))
def test_no_path_ends_a_string_of_a_profile(name: str) -> None:
    text = quoted(Path("/x") / name.replace("/", "_"))
    inner = text[1:-1].replace("\\\\", "").replace('\\"', "")
    assert text[0] == text[-1] == '"'
    assert '"' not in inner
    assert not inner.endswith("\\")


def test_a_seatbelt_profile_denies_first_and_hides_git_last(tmp_path: Path) -> None:
    text = profile(_command((tmp_path,)), (tmp_path.parent,))
    rules = [line for line in text.splitlines() if str(tmp_path.parent) in line]
    assert text.index("(deny default)") < text.index("(allow")
    assert [rule.split()[0] for rule in rules] == ["(deny", "(allow", "(deny"]
    assert ".git" in rules[-1]
    assert text.rstrip().endswith("(deny network*)")


def test_a_control_character_cannot_enter_a_profile() -> None:
    with pytest.raises(InvalidInput):
        quoted(Path("/a\nb"))
