"""What a change writes, in whatever kind of file: credentials, and letters that deceive the eye."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.findings import Effect
from pev.gate.contents import look_into

# put together here, so that no scanner takes this file for a leak
TOKEN = "gh" + "p_" + "Zk3vT9qLr7Wn1YbXc5Hd8JfMg2Ps4RuAe6Ot"
AWS = "AK" + "IA" + "QWZ7T3K5NB2MXR4D"
CYRILLIC_O = "\N{CYRILLIC CAPITAL LETTER O}"


def rules(path: str, new: str, old: str = "") -> list[tuple[str, int, Effect]]:
    return [(one.rule, one.line, one.effect) for one in look_into(path, old, new)]


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        ("src/app/remote.py", Effect.BLOCKS),
        ("deploy/server.conf", Effect.BLOCKS),
        ("notebook.ipynb", Effect.BLOCKS),
        ("tests/data/remote.json", Effect.HOLDS),
        ("README.md", Effect.HOLDS),
    ],
)
@pytest.mark.parametrize("secret", [TOKEN, AWS])
def test_a_credential_is_found_in_any_file(path: str, effect: Effect, secret: str) -> None:
    """In tests and in prose it is more often made up: then a person looks."""
    assert rules(path, f"one\ntoken = '{secret}'\n")[0] == ("secret", 2, effect)


def test_a_message_does_not_repeat_the_credential() -> None:
    (seen,) = look_into("a.conf", "", f"{TOKEN}\n")

    assert TOKEN not in seen.what + seen.help


@pytest.mark.parametrize(
    "text",
    [
        "password = os.environ['PASSWORD']\n",
        'key = "AKIA' + 'IOSFODNN7EXAMPLE"\n',
        'token = "changeme123"\n',
        "def get_token(self) -> str: ...\n",
        'digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"\n',
    ],
)
def test_what_is_no_credential_is_left_alone(text: str) -> None:
    assert rules("src/app/settings.py", text) == []


def test_what_the_base_has_is_not_the_change_s_fault() -> None:
    old = f"token = '{TOKEN}'\nname = '{CYRILLIC_O}WNER'  # \u202e\n"

    assert rules("a.py", f"import os\n{old}", old) == []


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\u202b"])
def test_characters_that_turn_text_block_in_code(char: str) -> None:
    assert rules("a.py", f"x = 1\n# {char} fine\n") == [("hidden-character", 2, Effect.BLOCKS)]
    assert rules("a.md", f"{char}\n") == [("hidden-character", 1, Effect.HOLDS)]


@pytest.mark.parametrize("char", ["\u200b", "\u2060", "\u00ad", "\U000e0041"])
def test_characters_that_nobody_sees_are_held(char: str) -> None:
    assert rules("a.py", f'x = "own{char}er"\n') == [("hidden-character", 1, Effect.HOLDS)]


def test_emoji_and_scripts_that_join_are_honest() -> None:
    assert rules("a.py", "x = '\U0001f469\u200d\U0001f4bb \u2764\ufe0f \u0915\u094d\u200d\u0937'\n") == []
    assert rules("a.py", "\ufeffx = 1\n") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"OWNER = 1\n{CYRILLIC_O}WNER = 2\n", True),
        (f"x = '{CYRILLIC_O}WNER'\n", True),
        ("# \N{CYRILLIC SMALL LETTER ES}\N{CYRILLIC SMALL LETTER O}\N{CYRILLIC SMALL LETTER EN}\n", False),
        ("\N{GREEK CAPITAL LETTER DELTA}x = 1\n", False),
        ("naïve = 'größe'\n", False),
    ],
)
def test_names_that_look_like_others_are_held(text: str, found: bool) -> None:
    """A word in one script of its own, in a comment or a text, is no disguise."""
    assert (rules("a.py", text) != []) is found


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_can_be_looked_into(old: str, new: str) -> None:
    """And a line that is named is there; what did not change has nothing new."""
    for one in look_into("a.py", old, new):
        assert 1 <= one.line <= new.count("\n") + 1
    assert list(look_into("a.py", new, new)) == []
