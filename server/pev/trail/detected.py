"""Secrets that a maintained detector knows: the patterns of detect-secrets, one for each issuer.

The detector is imported only when a text holds something that one of its patterns could match, which few
texts do: most events never load it. Its patterns for what `shapes` knows better are left out, and the one for
bare base64 of 64 bytes too, which is also what signatures look like.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

_LEFT_OUT: Final = frozenset(
    {"AzureStorageKeyDetector", "BasicAuthDetector", "JwtTokenDetector", "PrivateKeyDetector"}
)
ANCHORS: Final = (
    *("akc", "artif", "jfrog", "buildkit", "a3t", "akia", "asia", "abia", "acca", "aws", "cloudant"),
    *("ibm", "cos", "hmac", "npm", "sg.", "xox", "hooks.slack.com", "softlayer", "sq0csp-", "k_live_"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "-us", "telegram", "openai", "t3blbkfj", "pypi-", "glpat-"),
)
_SHAPED: Final = re.compile(r"\b(?:AC|SK)[a-z0-9]{32}|[\w-]{23}\.[\w-]{6}\.[\w-]{27}")
_MIN_SECRET: Final = 8
_NO_KIND: Final = re.compile(r"[^a-z0-9]+")


def may_hold(text: str, lowered: str) -> bool:
    """Say whether it is worth looking at a text; `lowered` is the same in lower case."""
    return any(anchor in lowered for anchor in ANCHORS) or _SHAPED.search(text) is not None


def secrets_in(text: str) -> Iterator[tuple[str, str]]:
    """Give kind and value of each secret that the detector finds, long ones first."""
    found: dict[str, str] = {}
    for kind, patterns in _patterns():
        for pattern in patterns:
            for match in pattern.finditer(text):
                values = [one for one in match.groups() if one] or [match[0]]
                for value in values:
                    if len(value) >= _MIN_SECRET and not value.startswith("[redacted:"):
                        found.setdefault(value, kind)
    yield from ((found[value], value) for value in sorted(found, key=lambda one: (-len(one), one)))


@cache
def _patterns() -> tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]:
    """Load the detector's plugins: those that are a list of patterns."""
    import detect_secrets.plugins
    from detect_secrets.plugins.base import RegexBasedDetector

    out = []
    for module in pkgutil.iter_modules(detect_secrets.plugins.__path__):
        for plugin in vars(importlib.import_module(f"detect_secrets.plugins.{module.name}")).values():
            if _is_list_of_patterns(plugin, RegexBasedDetector):
                kind = _NO_KIND.sub("-", plugin.secret_type.lower()).strip("-")
                out.append((kind, tuple(plugin().denylist)))
    return tuple(dict(out).items())


def _is_list_of_patterns(plugin: Any, base: type) -> bool:
    if not isinstance(plugin, type) or plugin is base or not issubclass(plugin, base):
        return False
    return plugin.__name__ not in _LEFT_OUT
