"""Signed notes and checkpoints: what others wrote is read, and nothing that was changed counts."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import InvalidInput, ProofInvalid
from pev.models import digest_of
from pev.trail.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from pev.trail.merkle import TreeHead
from pev.trail.notes import SignerKey, VerifierKey, parse_note, parse_skey, parse_vkey, write_note

KEY = SignerKey("example.org/pev", bytes(range(32)))
OTHER = SignerKey("example.org/pev", b"x" * 32)
HEAD = Checkpoint("example.org/pev", TreeHead(size=29, root=digest_of(b"root")))
NOTE = write_note(HEAD.text(), [KEY.sign(HEAD.text())])
# the note of the Go package golang.org/x/mod/sumdb/note, by the key of its documentation
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZ"
    "b6KE6RyyBwJnAM=\n"
)


def test_a_note_that_another_tool_signed_is_verified() -> None:
    """The example of Go's own documentation of the format."""
    note = parse_note(GO_NOTE)

    assert note.signers([parse_vkey(GO_VKEY)]) == (parse_vkey(GO_VKEY),)


def test_a_checkpoint_is_read_back_as_it_was_signed() -> None:
    assert open_checkpoint(NOTE, [KEY.verifier]) == HEAD
    assert NOTE.startswith("example.org/pev\n29\n")


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_no_bit_of_a_signed_checkpoint_can_be_changed(place: int, bit: int) -> None:
    """Whatever was changed, it is refused: as a form, as a signature, or as one of nobody that we know."""
    data = bytearray(NOTE.encode())
    data[place] ^= 1 << bit

    with pytest.raises((InvalidInput, ProofInvalid)):
        open_checkpoint(bytes(data), [KEY.verifier])


def test_a_key_of_the_same_name_is_another_key() -> None:
    """The name is what a log calls itself; the key is what it can do."""
    with pytest.raises(ProofInvalid, match="by no key that is known here"):
        open_checkpoint(NOTE, [OTHER.verifier])


def test_a_log_cannot_speak_for_another() -> None:
    """A trusted key vouches for the origin of its own name only."""
    foreign = Checkpoint("example.org/other", HEAD.head).text()

    with pytest.raises(ProofInvalid, match=r"example\.org/other"):
        open_checkpoint(write_note(foreign, [KEY.sign(foreign)]), [KEY.verifier])


def test_one_good_signature_among_unknown_ones_is_enough() -> None:
    """Witnesses and new keys sign the same text."""
    note = write_note(HEAD.text(), [OTHER.sign(HEAD.text()), KEY.sign(HEAD.text())])

    assert open_checkpoint(note, [KEY.verifier]) == HEAD


def test_a_false_signature_of_a_known_key_spoils_the_note() -> None:
    """Even beside a good one: somebody tried."""
    other = Checkpoint("example.org/pev", TreeHead(size=1, root=digest_of(b""))).text()
    note = write_note(HEAD.text(), [KEY.sign(HEAD.text()), OTHER.sign(other)])

    with pytest.raises(ProofInvalid, match="is not one of this text"):
        open_checkpoint(note, [KEY.verifier, OTHER.verifier])


@given(
    st.binary(min_size=32, max_size=32), st.from_regex(r"[a-z]{1,9}\.example/[a-z0-9]{1,9}", fullmatch=True)
)
def test_keys_are_read_back_as_they_were_written(seed: bytes, name: str) -> None:
    key = SignerKey(name, seed)

    assert parse_skey(key.secret()) == key
    assert parse_vkey(str(key.verifier)) == key.verifier
    assert base64.b64encode(seed).decode() not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org/pev",
        str(KEY.verifier)[:-1],
        str(KEY.verifier).replace("example", "ecample"),
        str(VerifierKey("a", 2, b"x" * 32)),
        "a+00000000+" + base64.b64encode(b"\x01" + b"x" * 32).decode(),
    ],
)
def test_a_verifier_key_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_vkey(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "a\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "a\n1\nCsUY\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "a\n9223372036854775808\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
    ],
)
def test_a_checkpoint_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_checkpoint(text)


@given(st.text(max_size=200))
def test_any_text_is_a_note_or_is_refused(text: str) -> None:
    """What came from elsewhere never ends in anything but our own error."""
    try:
        note = parse_note(text)
    except InvalidInput:
        return
    assert write_note(note.text, []) in text
