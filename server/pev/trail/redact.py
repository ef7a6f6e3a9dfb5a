"""Takes secrets out of what is about to be stored: `[redacted:<kind>…]` stands where one was.

Works on text and on nested JSON values, leaves object ids, digests and prose alone, and says what it took.
It lowers the risk that a credential is kept; it cannot know a secret that looks like ordinary text.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from pev.config import Config
from pev.errors import ConfigInvalid, InvalidInput
from pev.keyfile import random_key
from pev.trail.commitment import MAX_COMMITMENTS, Committer
from pev.trail.detected import ANCHORS, may_hold, secrets_in
from pev.trail.shapes import ASSIGNED, ASSIGNMENT, SECRET_NAME, SHAPES, Form, looks_secret

MAX_DEPTH: Final = 100
MIN_LITERAL: Final = 4
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Redacted(NamedTuple):
    """A value without its secrets, and the kinds of what was taken out, sorted; empty if nothing was."""

    value: Any
    kinds: tuple[str, ...]


class Redactor:
    """Knows the forms of secrets, and those that the operator added.

    `patterns` maps a kind (lower-case words joined by `-`) to a regular expression; each match is replaced.
    `literals` are secrets known by value, of at least 4 characters; they are found percent-encoded too.
    Raises ConfigInvalid for a pattern that does not compile or that matches the empty text, for a kind of
    another form, and for a literal that is too short. With a `committer`, the marker that stands where a
    secret was commits to it.
    """

    def __init__(
        self,
        *,
        patterns: Mapping[str, str] | None = None,
        literals: Iterable[str] = (),
        committer: Committer | None = None,
    ) -> None:
        self._forms = {**_literal_form(literals), **SHAPES, **_compiled(patterns or {})}
        self._committer = committer
        anchors = [form.anchors for form in self._forms.values()]
        named = {one for some in anchors for one in some} | {*ASSIGNMENT.anchors, *ANCHORS}
        self._anchors = tuple(sorted(named)) if all(anchors) else None

    def text(self, text: str) -> Redacted:
        """Take the secrets out of a text."""
        taken = _Taken(self._committer)
        out = self._clean(text, taken)
        return Redacted(out, tuple(sorted(taken.kinds)))

    def value(self, value: Any) -> Redacted:
        """Take the secrets out of a JSON value, its keys included.

        A string under a telling name, or after a telling option in a list, goes as a whole. Raises
        InvalidInput for a value that is nested deeper than 100.
        """
        if self._is_plain(value):
            return Redacted(value, ())
        taken = _Taken(self._committer)
        out = self._walk(value, taken, name="", depth=0)
        return Redacted(out, tuple(sorted(taken.kinds)))

    def _is_plain(self, value: Any) -> bool:
        """Say whether a whole value holds nothing that any form looks for; most events do not."""
        if self._anchors is None:
            return False
        try:
            written = json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            return False
        # escaped characters, and depth, are for those who look closely
        if "\\" in written or written.count("{") + written.count("[") > MAX_DEPTH:
            return False
        lowered = written.lower()
        return not any(anchor in lowered for anchor in self._anchors) and not may_hold(written, lowered)

    def _clean(self, text: str, taken: "_Taken") -> str:
        if len(text) < MIN_LITERAL:
            return text
        lowered = text.lower()
        for kind, form in self._forms.items():
            if form.may_match(lowered):
                text = form.pattern.sub(partial(_replaced, kind, taken), text)
        if ASSIGNMENT.may_match(lowered):
            text = ASSIGNMENT.pattern.sub(partial(_assigned, taken), text)
        if may_hold(text, lowered):
            for kind, secret in secrets_in(text):
                text = text.replace(secret, taken.mark(kind, secret))
        return text

    def _walk(self, value: Any, taken: "_Taken", *, name: str, depth: int) -> Any:
        if isinstance(value, str):
            if name and SECRET_NAME.search(name) and looks_secret(value, quoted=True):
                return taken.mark(ASSIGNED, value)
            return self._clean(value, taken)
        if depth > MAX_DEPTH:
            raise InvalidInput(
                f"value is nested deeper than {MAX_DEPTH}", hint="Store it as a blob, or flatten it."
            )
        if isinstance(value, Mapping):
            return self._walk_object(value, taken, depth)
        if isinstance(value, list | tuple):
            names = [name, *(item if _is_option(item) else name for item in value)]
            return [
                self._walk(item, taken, name=before, depth=depth + 1)
                for before, item in zip(names, value, strict=False)
            ]
        return value

    def _walk_object(self, value: Mapping[Any, Any], taken: "_Taken", depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for key, item in value.items():
            named = self._clean(key, taken) if isinstance(key, str) else key
            while named in out:  # two keys that were secrets must not become one
                named = f"{named}'"
            out[named] = self._walk(item, taken, name=str(key), depth=depth + 1)
        return out


def operator_redactor(config: Config, literals: Iterable[str] = ()) -> Redactor:
    """Make the redactor that the operator configured; its commitments are under a key of the state directory.

    Raises ConfigInvalid for a pattern that cannot be used. The key is made when it is first needed.
    """
    committer = Committer(lambda: random_key(config.state_dir / "redaction.key"))
    return Redactor(patterns=config.trail.redact, literals=literals, committer=committer)


class _Taken:
    """What one redaction took out, and the markers that it left."""

    def __init__(self, committer: Committer | None) -> None:
        self.kinds: set[str] = set()
        self._committer = committer
        self._committed: set[str] = set()

    def mark(self, kind: str, secret: str) -> str:
        """Give what stands where a secret was: its kind, and a commitment to it if there is a key for one."""
        self.kinds.add(kind)
        if self._committer is None or (
            secret not in self._committed and len(self._committed) >= MAX_COMMITMENTS
        ):
            return f"[redacted:{kind}]"
        self._committed.add(secret)
        return f"[redacted:{kind}#{self._committer.commit(secret)}]"


def _replaced(kind: str, taken: _Taken, match: re.Match[str]) -> str:
    kept = match["keep"] if "keep" in match.re.groupindex else ""
    return kept + taken.mark(kind, match[0][len(kept) :])


def _assigned(taken: _Taken, match: re.Match[str]) -> str:
    value = match["quoted"] or match["bare"]
    if not looks_secret(value, quoted=match["quoted"] is not None) or _is_call(match):
        return match[0]
    return f"{match['name']}{match['between']}{match['quote'] or ''}{taken.mark(ASSIGNED, value)}"


def _is_option(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("-") and SECRET_NAME.search(item) is not None


def _is_call(match: re.Match[str]) -> bool:
    """Say whether a bare value goes on as code: a call or an index."""
    after = match.string[match.end() : match.end() + 1]
    return match["quoted"] is None and after in ("(", "[")


def _literal_form(literals: Iterable[str]) -> dict[str, Form]:
    known: set[str] = set()
    for literal in literals:
        if len(literal) < MIN_LITERAL:
            raise ConfigInvalid(
                f"a known secret has {len(literal)} characters, less than {MIN_LITERAL}",
                hint="Name longer values only: a short one would be cut out of ordinary text.",
            )
        known |= {literal, quote(literal, safe="", errors="replace")}
    longest_first = sorted(known, key=lambda one: (-len(one), one))
    plain = all(one.isascii() and not set(one) & set('"\\') for one in known)
    anchors = tuple(one.lower() for one in longest_first) if plain else ()
    form = Form(re.compile("|".join(map(re.escape, longest_first))), anchors)
    return {"known-value": form} if known else {}


def _compiled(patterns: Mapping[str, str]) -> dict[str, Form]:
    out: dict[str, Form] = {}
    for kind, pattern in patterns.items():
        hint = "Correct the redaction pattern in the operator's configuration."
        if not _KIND.fullmatch(kind) or kind in SHAPES:
            raise ConfigInvalid(f"redaction kind {kind!r} is not a new name of a-z, 0-9 and -", hint=hint)
        try:
            form = re.compile(pattern)
        except re.error as exc:
            raise ConfigInvalid(f"redaction pattern {kind!r} does not compile: {exc}", hint=hint) from exc
        if form.match(""):
            raise ConfigInvalid(f"redaction pattern {kind!r} matches the empty text", hint=hint)
        out[kind] = Form(form)
    return out
