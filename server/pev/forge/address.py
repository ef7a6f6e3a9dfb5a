"""Which project of a forge a git remote belongs to, read from the remote's URL."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from pev.errors import ForgeRefused

_SHORT: Final = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)")
_PART: Final = re.compile(r"[\w.-]+")


class Address(NamedTuple):
    """A project of a forge: the host of its remote, and its path, for instance `owner/name`."""

    host: str
    path: str


def address_of(url: str) -> Address:
    """Read a remote's URL, `https://`, `ssh://` or `user@host:path`. Raises ForgeRefused for any other."""
    short = _SHORT.fullmatch(url)
    if short is not None:
        host, path = short[1], short[2]
    else:
        parts = urlsplit(url)
        host, path = parts.hostname or "", unquote(parts.path)
        if parts.scheme not in ("https", "http", "ssh", "git") or not host:
            raise _unreadable(url)
    names = path.strip("/").removesuffix(".git").split("/")
    if len(names) < 2 or not all(_is_name(name) for name in names):
        raise _unreadable(url)
    return Address(host.lower(), "/".join(names))


def _is_name(name: str) -> bool:
    return _PART.fullmatch(name) is not None and name.strip(".") != ""


def _unreadable(url: str) -> ForgeRefused:
    shown = re.sub(r"//[^/@\s]*@", "//", url)
    return ForgeRefused(
        f"the remote {shown[:200]!r} names no project of a forge",
        hint="Give it a URL like https://HOST/OWNER/NAME, or name the project in [forge] project.",
    )
