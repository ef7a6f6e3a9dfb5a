"""The forms that secrets have: tokens of well-known issuers, keys, and values assigned to telling names.

Every pattern is linear in its input: a repeat is possessive, or begins only at the start of its run, so that
no text makes it scan the same characters again and again.
"""

import math
import re
from collections import Counter
from typing import Final, NamedTuple


class Form(NamedTuple):
    """A pattern, and lower-case fragments of which a text holds at least one if it can match at all.

    A match is replaced as a whole, but for its group `keep`. Without `anchors` the pattern is always tried.
    """

    pattern: re.Pattern[str]
    anchors: tuple[str, ...] = ()

    def may_match(self, lowered: str) -> bool:
        """Say whether a text, given in lower case, is worth trying."""
        return not self.anchors or any(anchor in lowered for anchor in self.anchors)


def _form(pattern: str, *anchors: str) -> Form:
    return Form(re.compile(pattern), anchors)


_EDGE: Final = r"(?<![A-Za-z0-9])"
_PEM_LABEL: Final = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_PEM_GAP: Final = r"""(?:[\s"',+\\]|(?<=\\)[nr])*+"""

SHAPES: Final[dict[str, Form]] = {
    # a whole block, or one that lost its end: then only what still looks like a key
    "private-key": _form(
        rf"{_PEM_LABEL}(?:(?:[^-]|-(?!----))*+-----END [A-Z0-9 ]{{0,40}}-----"
        rf"|(?:{_PEM_GAP}[A-Za-z0-9+/=]{{16,}}+)*+)",
        "private key",
    ),
    "github-token": _form(
        r"gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+",
        *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    ),
    "gitlab-token": _form(r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas|imt)-[A-Za-z0-9_.-]{16,}+", "gl"),
    "aws-access-key": _form(
        rf"{_EDGE}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}(?![A-Za-z0-9])", "akia", "asia", "abia", "acca"
    ),
    "slack-token": _form(r"xox[a-z]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+", "xox", "xapp-"),
    "slack-webhook": _form(
        r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}+", "hooks.slack.com/"
    ),
    "jwt": _form(
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]*+",
        "eyj",
    ),
    "google-key": _form(rf"{_EDGE}AIza[A-Za-z0-9_-]{{35}}(?![A-Za-z0-9_-])", "aiza"),
    "model-api-key": _form(
        rf"{_EDGE}sk-(?:(?:ant|proj|svcacct|admin|or)-[A-Za-z0-9_-]{{16,}}+|[A-Za-z0-9]{{32,}}+)", "sk-"
    ),
    "stripe-key": _form(rf"{_EDGE}[rs]k_(?:live|test)_[A-Za-z0-9]{{16,}}+", "k_live_", "k_test_"),
    "package-index-token": _form(
        rf"{_EDGE}(?:pypi-AgE[A-Za-z0-9_-]{{30,}}+|npm_[A-Za-z0-9]{{30,}}+)", "pypi-age", "npm_"
    ),
    "url-credentials": _form(
        r"""(?<=://)(?!\[redacted:)[^\s/?#:@"'<>\\]*+:[^\s/?#"'<>\\]+(?=@)"""
        r"""|(?:(?<=https://)|(?<=http://))[^\s/?#:@"'<>\\]{16,}+(?=@)""",
        "://",
    ),
    "authorization": _form(
        r"""(?i)(?P<keep>authorization\\?["']?[ \t]{0,8}[:=][ \t]{0,8}\\?["']?)"""
        r"""(?:bearer|basic|token|negotiate)[ \t]{1,8}[^\s"'\\,]++""",
        "authorization",
    ),
    "bearer-token": _form(
        r"(?i)(?P<keep>(?<![a-z])bearer[ \t]{1,8})(?=[^0-9\s]{0,200}[0-9])[a-z0-9_.~+/-]{16,}+=*+", "bearer"
    ),
}
"""Kind of secret to its form."""

_NAMES: Final = (
    r"pass(?:word|wd|phrase)|pwd|secret(?:[_-]?(?:access)?[_-]?key)?|token|credentials?|authorization"
    r"|(?:api|access|private|account|encryption|signing)[_-]?key"
)
_NAME_ANCHORS: Final = (
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "authorization"),
    *("_key", "-key", "apikey", "accesskey", "privatekey", "accountkey", "encryptionkey", "signingkey"),
)
SECRET_NAME: Final = re.compile(rf"(?i)(?:{_NAMES})$")
"""How the name of a field or option ends whose value is taken for a secret, when it looks like one."""

ASSIGNMENT: Final = _form(
    rf"""(?i)(?P<dash>(?<=-))?(?P<name>{_NAMES})"""
    r"""(?P<between>\\?["']?[ \t]{0,8}(?:[:=]=?|=>)[ \t]{0,8}|(?(dash)[ \t]{1,8}|(?!)))"""
    r"""(?:(?P<quote>\\?["'])(?P<quoted>[^\s"'\\]{6,}+)(?=\\?["'])|(?P<bare>[A-Za-z0-9+/_.~!@#$%^*-]{8,}+=*+))""",
    *_NAME_ANCHORS,
)
"""An assignment in text: `name=value`, `name: value`, `"name": "value"`, `--name value`."""
ASSIGNED: Final = "assigned-secret"

_VARIABLE: Final = re.compile(r"\$\{?[A-Za-z_]\w*\}?|%\w+%?")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)++")
_LETTER: Final = re.compile(r"[A-Za-z]")
_DIGIT: Final = re.compile(r"[0-9]")
_SYMBOL: Final = re.compile(r"[^A-Za-z0-9]")


def entropy_bits(text: str) -> float:
    """Give the Shannon entropy of `text` in bits per character."""
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values()) if size else 0.0


def looks_secret(value: str, *, quoted: bool) -> bool:
    """Say whether a value that is assigned to a telling name is a secret rather than code or prose.

    A quoted value needs two classes of characters; a bare one, which may be code, letters and digits, or to
    be long and random. References to variables and attributes are not secrets.
    """
    if _VARIABLE.fullmatch(value) or value.startswith("[redacted:"):
        return False
    letters, digits = bool(_LETTER.search(value)), bool(_DIGIT.search(value))
    bits = entropy_bits(value)
    if quoted:
        classes = letters + digits + bool(_SYMBOL.search(value))
        return len(value) >= 6 and classes >= 2 and bits >= 2.5
    if _ATTRIBUTE.fullmatch(value) or (value.startswith(("/", "./", "~/")) and bits < 4.5):
        return False
    return (letters and digits and bits >= 2.75) or (len(value) >= 20 and bits >= 4.2)
