"""Finds lines that install packages, in scripts and recipes that no audit reads as declarations.

What installs the project itself, or a list of requirements that is audited elsewhere, is none.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from pev.findings import Effect
from pev.gate.contents import Seen

_SUFFIXES: Final = {".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".cmd", ".mk", ".dockerfile", ".just"}
_NAMES: Final = re.compile(
    r"(dockerfile|containerfile)([.-].*)?|makefile|gnumakefile|justfile|procfile|vagrantfile|noxfile\.py"
    r"|devcontainer\.json|(docker-)?compose[\w.-]*\.ya?ml"
)
_INSTALL: Final = re.compile(
    r"""(?:\b(?:pip|pip3|pipx|uv|poetry|pdm|conda|mamba|npm|pnpm|yarn|bun|gem|cargo|go|apt|apt-get|aptitude"""
    r"""|apk|dnf|yum|microdnf|zypper|brew|easy_install)\b[^\n;&|]{0,200}?["',\s](?:install|add|get|i)\b"""
    r"""|\bsession\.(?:conda_)?install\b|\beasy_install\b|\b(?:npx|uvx)\b|\buv\s+run\s+--with\b)(?P<rest>[^\n;&|]*)"""
)
_PIPED: Final = re.compile(r"\b(?:curl|wget)\b[^\n]{0,500}\|\s*(?:sudo\s+)?(?:\w*sh|python\d?)\b")
_OPTIONS: Final = r"--(?:upgrade|no-deps|no-cache-dir|quiet|editable|user|require-hashes|system)|-[eqU]+"
_LIST: Final = r"(?!\w+:)\S{0,100}(?:requirements|constraints)[\w./-]{0,100}\.(?:txt|in)"
_OWN: Final = re.compile(
    rf"""\s*(?:(?:{_OPTIONS})\s+)*"""
    rf"""(?:["']?\.{{1,2}}(?:/[\w./-]*)?(?:\[[\w,-]*\])?["']?|(?:-r|--requirement)[= ]{_LIST})"""
    rf"""(?:\s+(?:{_OPTIONS}))*\s*\\?\s*"""
)
_HELP: Final = "Declare it where the check `deps` reads it, and install from there; a person can allow this."


def find_installs(path: str, old: str, new: str) -> Iterator[Seen]:
    """List the lines of a script or a recipe that install something, and that the base does not have."""
    if not is_recipe(path, new):
        return
    known = Counter(_joined(old))
    for line, text in enumerate(_joined(new), 1):
        known[text] -= 1
        if known[text] >= 0 or text.startswith("#"):
            continue
        found = [one for one in _INSTALL.finditer(text) if not _OWN.fullmatch(one["rest"])]
        if found or _PIPED.search(text):
            message = "a line installs what no audit sees"
            yield Seen("unaudited-install", line, message, Effect.HOLDS, _HELP)


def is_recipe(path: str, text: str) -> bool:
    """Say whether a file is one of those that install: by its name, or because a shell runs it."""
    pure = PurePosixPath(path)
    if pure.suffix.lower() in _SUFFIXES or _NAMES.fullmatch(pure.name.lower()):
        return True
    return not pure.suffix and re.match(r"#![^\n]*sh\b", text) is not None


def _joined(text: str) -> list[str]:
    """Give the lines, each with what continues it; those that only continue are empty."""
    out: list[str] = []
    continued = False
    at = 0
    for line in text.splitlines():
        if continued:
            out[at] = out[at].rstrip("\\").rstrip() + " " + line.strip()
            out.append("")
        else:
            at = len(out)
            out.append(line.strip())
        continued = line.rstrip().endswith("\\")
    return out
