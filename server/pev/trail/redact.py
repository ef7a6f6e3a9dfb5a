"""Takes secrets out of what is about to be stored: `[redacted:<kind>]` stands where one was.

Works on text and on nested JSON values, leaves object ids, digests and prose alone, and says what it took.
It lowers the risk that a credential is kept; it cannot know a secret that looks like ordinary text.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from pev.errors import ConfigInvalid, InvalidInput
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
    another form, and for a literal that is too short.
    """

    def __init__(self, *, patterns: Mapping[str, str] | None = None, literals: Iterable[str] = ()) -> None:
        self._forms = {**_literal_form(literals), **SHAPES, **_compiled(patterns or {})}

    def text(self, text: str) -> Redacted:
        """Take the secrets out of a text."""
        kinds: set[str] = set()
        out = self._clean(text, kinds)
        return Redacted(out, tuple(sorted(kinds)))

    def value(self, value: Any) -> Redacted:
        """Take the secrets out of a JSON value, its keys included.

        A string under a telling name, or after a telling option in a list, goes as a whole. Raises
        InvalidInput for a value that is nested deeper than 100.
        """
        kinds: set[str] = set()
        out = self._walk(value, kinds, name="", depth=0)
        return Redacted(out, tuple(sorted(kinds)))

    def _clean(self, text: str, kinds: set[str]) -> str:
        if len(text) < MIN_LITERAL:
            return text
        lowered = text.lower()
        for kind, form in self._forms.items():
            if form.may_match(lowered):
                kept = r"\g<keep>" if "keep" in form.pattern.groupindex else ""
                text, count = form.pattern.subn(f"{kept}[redacted:{kind}]", text)
                if count:
                    kinds.add(kind)

        def assigned(match: re.Match[str]) -> str:
            value = match["quoted"] or match["bare"]
            if not looks_secret(value, quoted=match["quoted"] is not None) or _is_call(match):
                return match[0]
            kinds.add(ASSIGNED)
            return f"{match['name']}{match['between']}{match['quote'] or ''}[redacted:{ASSIGNED}]"

        return ASSIGNMENT.pattern.sub(assigned, text) if ASSIGNMENT.may_match(lowered) else text

    def _walk(self, value: Any, kinds: set[str], *, name: str, depth: int) -> Any:
        if isinstance(value, str):
            if name and SECRET_NAME.search(name) and looks_secret(value, quoted=True):
                kinds.add(ASSIGNED)
                return f"[redacted:{ASSIGNED}]"
            return self._clean(value, kinds)
        if depth > MAX_DEPTH:
            raise InvalidInput(
                f"value is nested deeper than {MAX_DEPTH}", hint="Store it as a blob, or flatten it."
            )
        if isinstance(value, Mapping):
            return self._walk_object(value, kinds, depth)
        if isinstance(value, list | tuple):
            names = [name, *(item if _is_option(item) else name for item in value)]
            return [
                self._walk(item, kinds, name=before, depth=depth + 1)
                for before, item in zip(names, value, strict=False)
            ]
        return value

    def _walk_object(self, value: Mapping[Any, Any], kinds: set[str], depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for key, item in value.items():
            named = self._clean(key, kinds) if isinstance(key, str) else key
            while named in out:  # two keys that were secrets must not become one
                named = f"{named}'"
            out[named] = self._walk(item, kinds, name=str(key), depth=depth + 1)
        return out


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
    return {"known-value": Form(re.compile("|".join(map(re.escape, longest_first))))} if known else {}


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
