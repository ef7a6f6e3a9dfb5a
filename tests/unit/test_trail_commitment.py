"""Secrets that were taken out: found by a maintained detector too, and shown by who holds them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pev.config import load_config
from pev.errors import ConfigInvalid
from pev.events import Kind
from pev.models import SERVER_STREAM
from pev.trail.commitment import MAX_COMMITMENTS, Committer, markers_in
from pev.trail.redact import Redactor, operator_redactor
from pev.trail.store import Trail
from support.trail_events import event

TOKEN = "ghp_" + "a1B2c3D4" * 5
COMMITTING = Redactor(committer=Committer(lambda: b"k" * 32))


@pytest.mark.long_search
def test_who_holds_the_original_can_show_it(tmp_path: Path) -> None:
    """The trail holds neither the secret nor what it could be guessed from quickly."""
    with Trail.open(tmp_path / "trail.sqlite3", redactor=COMMITTING) as trail:
        ran = event(Kind.COMMAND_RAN, argv=["push", TOKEN], output=f"with {TOKEN}")
        (stored,) = trail.append(SERVER_STREAM, [ran], expected_version=0)
        assert trail.verify().intact

    assert TOKEN not in str(stored.payload)
    assert stored.redacted
    found = dict(markers_in(stored.payload))
    assert set(found) == {"/argv/1", "/output"}
    assert all(one.is_of(TOKEN) for one in found.values())
    assert not any(one.is_of(TOKEN[:-1]) or one.is_of("") for one in found.values())


def test_redacting_twice_gives_one_text() -> None:
    """What is hashed before it is stored must be what is stored; a marker is no secret."""
    text = f"token={TOKEN} password: 'hunter2!x' and https://ada:pass{'word9'}@example.org"
    once = COMMITTING.text(text)

    assert COMMITTING.text(text) == once
    assert COMMITTING.text(once.value).value == once.value
    assert len(list(markers_in(once.value))) == 3


def test_another_trail_commits_otherwise() -> None:
    """Nobody sees that two trails held the same secret."""
    other = Redactor(committer=Committer(lambda: b"o" * 32))

    assert other.text(TOKEN).value != COMMITTING.text(TOKEN).value
    assert next(markers_in(other.text(TOKEN).value))[1].is_of(TOKEN)


def test_commitments_of_one_event_are_bounded() -> None:
    """Each costs time on purpose: a file full of keys must not stop the log."""
    many = [f"ghp_{n:036d}" for n in range(3 * MAX_COMMITMENTS)]
    out = COMMITTING.value({"lines": many}).value

    markers = [one for _, one in markers_in(out)]
    assert len(markers) == len(many)
    assert sum(one.value is not None for one in markers) == MAX_COMMITMENTS


def test_a_marker_without_a_commitment_is_of_no_secret() -> None:
    (found,) = markers_in("[redacted:github-token]")
    assert not found[1].is_of(TOKEN)


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("sendgrid-api-key", "SG." + "a1B2c3D4e5F6g7H8i9J0k1" + "." + "Zz9" * 14 + "x"),
        ("mailchimp-access-key", "0123456789abcdef" * 2 + "-us12"),
        ("twilio-api-key", "SK" + "0123456789abcdef" * 2),
        ("square-oauth-secret", "sq0csp-" + "ABCDEFGHIJK_LMNOPQRSTUVWXYZ-0123456789abcd"[:43] + "e"),
        (
            "discord-bot-token",
            "MTk4NjIyNDgzNDcxOTI1MjQ4" + "." + "Cl2FMQ" + "." + "ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        ),
    ],
)
def test_the_maintained_detector_finds_what_our_own_forms_do_not(kind: str, secret: str) -> None:
    for value in (f"key {secret} end", {"note": secret}, [f"export X={secret}"]):
        out = Redactor().value(value)
        assert secret not in str(out.value), out
        assert kind in out.kinds


@pytest.mark.parametrize(
    "text",
    [
        "the cost of a laws of nature, tacos, and us-east-1",
        (
            "\u2014 witness.example/w1 "
            "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2"
            "oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
        ),
        "k" * 86 + "==",
        "pev.local/6fa950f893af03ad+c80017e2+AbFWK8w/84Na/nGApQ6vC3bpaZ14/lWIQFAAuyMlqROt",
        "sha256:" + "0123456789abcdef" * 4,
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Signatures and keys of our own evidence, above all."""
    assert Redactor().value({"text": text}).value == {"text": text}


@pytest.mark.long_search
@settings(max_examples=200)
@given(
    st.recursive(
        st.text(max_size=30) | st.integers() | st.booleans() | st.none() | st.sampled_from([TOKEN, "token"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=12,
    )
)
def test_looking_quickly_misses_nothing_that_looking_closely_finds(value: object) -> None:
    """Most events hold nothing like a secret, and are not walked through."""
    quick, close = Redactor(), Redactor()
    close._anchors = None

    assert quick.value(value) == close.value(value)


def test_the_operators_patterns_and_key_are_used() -> None:
    config = load_config(trail={"redact": {"badge": r"BADGE-\d{6}"}})
    out = operator_redactor(config).text("it was BADGE-123456")

    assert next(markers_in(out.value))[1].is_of("BADGE-123456")
    assert out.kinds == ("badge",)
    assert (config.state_dir / "redaction.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigInvalid, match="does not compile"):
        operator_redactor(load_config(trail={"redact": {"badge": "("}}))
