"""Redaction: secrets go, everything that evidence needs stays, and no input makes it slow."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import ConfigInvalid, InvalidInput
from pev.trail.redact import Redactor
from pev.trail.shapes import looks_secret

OBJECT_ID = "3f786850e387550fdab836ed7e6dc881de23001b"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
# Put together here so that no scanner takes this file for a leak.
GITHUB = "ghp_" + "a1B2c3D4e5" * 4
FINE_GRAINED = "github_pat_" + "11ABCDEFG0" * 6
GITLAB = "glpat-" + "x9Y8z7W6v5" * 2
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
SLACK = "xoxb-" + "123456789012-abcdefABCDEF"
JWT = ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"))
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA75bQ\nx9Y8z7==\n-----END RSA PRIVATE KEY-----"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("text", "clean", "kind"),
    [
        (f"cloned with {GITHUB}.", "cloned with [redacted:github-token].", "github-token"),
        (FINE_GRAINED, "[redacted:github-token]", "github-token"),
        (f"CI_TOKEN={GITLAB}\n", "CI_TOKEN=[redacted:gitlab-token]\n", "gitlab-token"),
        (f"key {AWS} used", "key [redacted:aws-access-key] used", "aws-access-key"),
        (SLACK, "[redacted:slack-token]", "slack-token"),
        (
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXX",
            "https://[redacted:slack-webhook]",
            "slack-webhook",
        ),
        (f"cookie: {JWT}; path=/", "cookie: [redacted:jwt]; path=/", "jwt"),
        (f"a\n{PEM}\nb", "a\n[redacted:private-key]\nb", "private-key"),
        ("sk-ant-" + "api03-abcDEF123456_7890", "[redacted:model-api-key]", "model-api-key"),
        ("AIza" + "SyA1234567890abcdefghijklmnopqrstuv", "[redacted:google-key]", "google-key"),
        ("sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "[redacted:stripe-key]", "stripe-key"),
        ("npm_" + "a1B2c3D4e5" * 4, "[redacted:package-index-token]", "package-index-token"),
        (
            "https://ada:p@ss:w0rd@git.example.org/x",
            "https://[redacted:url-credentials]@git.example.org/x",
            "url-credentials",
        ),
        (
            "https://0123456789abcdef0123@example.org",
            "https://[redacted:url-credentials]@example.org",
            "url-credentials",
        ),
        (
            "Authorization: Basic dXNlcjpwYXNz",
            "Authorization: [redacted:authorization]",
            "authorization",
        ),
        (
            "curl -H 'x: bearer abcdef0123456789'",
            "curl -H 'x: bearer [redacted:bearer-token]'",
            "bearer-token",
        ),
        ("password=hunter2secret ok", "password=[redacted:assigned-secret] ok", "assigned-secret"),
        ('"DB_PASSWORD": "corr3ct-horse"', '"DB_PASSWORD": "[redacted:assigned-secret]"', "assigned-secret"),
        ("aws_secret_access_key = " + AWS_SECRET, "aws_secret_access_key = [redacted:assigned-secret]", None),
        ("--api-key a1b2c3d4e5 --yes", "--api-key [redacted:assigned-secret] --yes", "assigned-secret"),
        ("?access_token=a1b2c3d4e5&x=1", "?access_token=[redacted:assigned-secret]&x=1", "assigned-secret"),
        (r"{\"token\": \"a1b2c3d4e5\"}", r"{\"token\": \"[redacted:assigned-secret]\"}", "assigned-secret"),
    ],
)
def test_a_secret_in_text_is_replaced_and_named(text: str, clean: str, kind: str | None) -> None:
    """The well-known forms, and values assigned to telling names."""
    out = Redactor().text(text)

    assert out.value == clean
    assert out.kinds == ((kind or "assigned-secret"),)


@pytest.mark.parametrize(
    "text",
    [
        f"commit {OBJECT_ID}",
        f"sha256:{DIGEST}",
        f"{OBJECT_ID[:8]}..{OBJECT_ID[8:16]} main -> main",
        "The password: please choose something long, and keep the token: it is needed later.",
        "def login(password: str, token: Token) -> Session: ...",
        "token = get_token(user1)",
        "token = request.headers['X-Token-1']",
        "password = settings.database.password_1",
        "export TOKEN=$GITHUB_TOKEN; echo ${SECRET_KEY}",
        "token: ${{ secrets.GITHUB_TOKEN }}",
        "secretstorage==3.3.3\ntokenize-rt==6.1.0\ncryptography==43.0.1",
        "tokens: 12345678, password_file: /run/secrets/db_1",
        "git@example.org:ada/app.git ssh://git@example.org:22/app https://example.org/@ada",
        "http://localhost:8080/a@b",
        "FAILED tests/test_auth.py::test_token_is_refused[expired-401] - AssertionError",
        "wrote agent/0a1b2c3d for run 0a1b2c3d",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "sk-learn and task-force and desk-top",
        "",
        "ü→漢字 \udc80 \0",
    ],
)
def test_what_evidence_needs_stays(text: str) -> None:
    """A trail with mangled object ids, digests, code or prose would be worth nothing."""
    assert Redactor().text(text) == (text, ())


def test_a_key_that_lost_its_end_takes_no_prose_with_it() -> None:
    """A log that is cut in the middle of a key still holds half of the key."""
    text = (
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\nthen the tests ran"
    )

    assert Redactor().text(text).value == "[redacted:private-key]\nthen the tests ran"


def test_a_key_inside_a_json_string_is_found() -> None:
    """There its lines are joined by backslash and n."""
    text = PEM.replace("\n", "\\n")

    assert Redactor().text(f'{{"k":"{text}"}}').value == '{"k":"[redacted:private-key]"}'


def test_nested_values_and_keys_are_cleaned_and_the_rest_is_equal() -> None:
    """Payloads are JSON: a secret may hide at any depth, as a value, as a key, or under a telling name."""
    value = {
        "argv": ["curl", "--token", "a1b2c3d4", f"https://u:{'p1' * 5}@h/"],
        "env": {"DB_PASSWORD": "corr3ct-horse", "LANG": "C.UTF-8", GITHUB: True},
        "commit": OBJECT_ID,
        "n": [1, 2.5, None, False, {"digest": DIGEST}],
        "secret": [["deep3r-secret"], 7],
    }

    out = Redactor().value(value)

    gone = "[redacted:assigned-secret]"
    assert out.value == {
        "argv": ["curl", "--token", gone, "https://[redacted:url-credentials]@h/"],
        "env": {"DB_PASSWORD": gone, "LANG": "C.UTF-8", "[redacted:github-token]": True},
        "commit": OBJECT_ID,
        "n": [1, 2.5, None, False, {"digest": DIGEST}],
        "secret": [[gone], 7],
    }
    assert out.kinds == ("assigned-secret", "github-token", "url-credentials")


def test_two_secret_keys_do_not_become_one() -> None:
    """Nothing else of the payload may be lost."""
    out = Redactor().value({GITHUB: 1, GITHUB + "Z": 2})

    assert sorted(out.value.values()) == [1, 2]


def test_known_values_and_patterns_of_the_operator_are_replaced() -> None:
    """What the operator knows to be secret needs no form; it is found percent-encoded too."""
    redactor = Redactor(patterns={"acme-key": r"ACME-\d{4}"}, literals=["s3cr/et pass", "s3cr"])

    out = redactor.text("s3cr/et pass, s3cr%2Fet%20pass, s3cr and ACME-1234")

    known = "[redacted:known-value]"
    assert out.value == f"{known}, {known}, {known} and [redacted:acme-key]"
    assert out.kinds == ("acme-key", "known-value")


@pytest.mark.parametrize(
    ("patterns", "literals"),
    [
        ({"acme": "("}, []),
        ({"acme": "x*"}, []),
        ({"Not A Kind": "x"}, []),
        ({"jwt": "x"}, []),
        ({}, ["abc"]),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(patterns: dict[str, str], literals: list[str]) -> None:
    """Better at the start than never: a pattern that is silently dropped protects nothing."""
    with pytest.raises(ConfigInvalid):
        Redactor(patterns=patterns, literals=literals)


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    """A clear error instead of an exhausted stack."""
    value: object = "x"
    for _ in range(200):
        value = [value]

    with pytest.raises(InvalidInput, match="nested deeper than 100"):
        Redactor().value(value)


@pytest.mark.parametrize(
    ("value", "quoted", "secret"),
    [
        ("hunter2", True, True),
        ("aaaaaaaa1", True, False),
        ("changeme", True, False),
        ("$HOME_1", True, False),
        ("a1b2c3d4", False, True),
        ("/var/lib/app1/data", False, False),
        ("NewEvent", False, False),
        ("QwErTyUiOpAsDfGhJkLzXc", False, True),
    ],
)
def test_a_value_counts_as_secret_by_its_variety(value: str, quoted: bool, secret: bool) -> None:
    """Code and words are assigned to telling names all the time."""
    assert looks_secret(value, quoted=quoted) is secret


@given(st.text(alphabet=st.sampled_from("aA1 =:_-./\"'\\\n@eyJ"), max_size=80))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """What is stored, read and stored again stays the same."""
    text = f"password={text} token: {text} https://{text}"
    once = Redactor().text(text).value

    assert Redactor().text(once) == (once, ())


@given(st.text(alphabet="0123456789abcdef", min_size=7, max_size=64))
def test_a_bare_hex_name_is_never_a_secret(name: str) -> None:
    """Object ids and digests are what the whole trail points at."""
    text = f"tree {name} of {name}"

    assert Redactor().text(text) == (text, ())


SEEDS = [
    *("a", "eyJ", "eyJa.", "eyJaaaaaa.", "-", "--password", "://", "://a:", "a:", "token=", "token ", "\\n"),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64,
        "ghp_",
        "sk-ant-",
    ),
    *(
        "glpat-",
        "bearer ",
        "bearer " + "a" * 300,
        "authorization: basic ",
        "xoxb-",
        'password="aaaaaa',
        "a@://",
    ),
    *("https://aaaaaaaaaaaaaaaaa", "npm_", "hooks.slack.com/services/", "secret_access_", '\\"token\\":'),
]


@pytest.fixture
def ten_seconds_of_work() -> Iterator[None]:
    """Fail a test that uses more than ten seconds of processor time; `re` lets signals through."""

    def stop(*_: object) -> None:
        raise AssertionError("the input is not handled in linear time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 10)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.long_search
@pytest.mark.usefixtures("ten_seconds_of_work")
@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_no_megabyte_holds_the_server(seed: str) -> None:
    """A megabyte takes a fraction of a second. A quadratic pattern would need an hour for one of these."""
    text = (seed * (2**20 // len(seed) + 1))[: 2**20]

    out = Redactor().text(text)

    assert isinstance(out.value, str)
