"""Which project of a forge a remote belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import ForgeRefused
from pev.forge.address import Address, address_of

NAMES = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,20}[A-Za-z0-9_-]", fullmatch=True).filter(
    lambda name: not name.endswith(".git")
)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/app.git",
        "https://github.com/acme/app",
        "https://ada:secret@GitHub.com/acme/app/",
        "git@github.com:acme/app.git",
        "ssh://git@github.com:22/acme/app.git",
    ],
)
def test_every_form_of_a_remote_names_the_same_project(url: str) -> None:
    assert address_of(url) == Address("github.com", "acme/app")


@given(st.lists(NAMES, min_size=2, max_size=5))
def test_a_path_of_groups_stays_whole(names: list[str]) -> None:
    assert address_of(f"https://gitlab.example/{'/'.join(names)}.git").path == "/".join(names)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/app.git",
        "file:///srv/git/acme/app.git",
        "https://github.com/app",
        "https://github.com/acme/../app",
        "https://github.com/acme/a%2Fb/..",
        "https://github.com/acme/app?x=y/z z",
        "git@github.com:/acme/app",
        "ext::sh -c acme/app",
        "https:///acme/app",
        "",
    ],
)
def test_what_names_no_project_is_refused(url: str) -> None:
    """A path with dots would be another address of the forge's interface."""
    if "?" in url:
        assert address_of(url).path == "acme/app"  # a query is no part of a path
        return
    with pytest.raises(ForgeRefused):
        address_of(url)


def test_a_password_in_a_remote_is_never_told() -> None:
    with pytest.raises(ForgeRefused) as caught:
        address_of("https://ada:hunter2@github.com/app")

    assert "hunter2" not in str(caught.value)
