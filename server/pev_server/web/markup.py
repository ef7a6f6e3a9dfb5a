"""HTML built of values: whatever is not markup of ours is escaped, and characters that nobody sees are shown.

There are no templates, so there is no place where escaping could be forgotten.
"""

import html
from collections.abc import Iterable
from typing import Final

from pev.text import code_point, is_hidden, reveal

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})


class Markup(str):
    """HTML that was built here."""

    __slots__ = ()


Child = str | Iterable[str]


def text(value: str) -> Markup:
    """Write foreign text: escaped, with a mark for each character that leaves none of its own."""
    if isinstance(value, Markup):
        return value
    plain = value.replace("\r\n", "\n").replace("\t", "    ")
    return Markup("".join(_mark(char) if is_hidden(char) else html.escape(char) for char in plain))


def _mark(char: str) -> str:
    return f'<span class="hidden" title="a hidden character">{html.escape(code_point(char))}</span>'


def tag(name: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """Build an element. Children are markup or text, or lists of them; an underscore ends a reserved name.

    An attribute that is True stands without a value, one that is None or False not at all.
    """
    begin = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{begin}>")
    return Markup(f"<{name}{begin}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Put markup and text one after the other."""
    parts = (text(one) if isinstance(one, str) else join(*one) for one in children)
    return Markup("".join(parts))


def _attribute(key: str, value: str | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(reveal(value), quote=True)}"'
