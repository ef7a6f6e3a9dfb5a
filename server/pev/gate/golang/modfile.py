"""Reads `go.mod` and `go.sum` as data, by the grammar of the Go modules reference.

Nothing is resolved or run. What is protected of a `go.mod` is what steers the tool chain, or takes
modules from elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pev.gate.face import Manifest

GUARDED: Final = ("go", "toolchain", "replace", "exclude", "godebug", "tool", "ignore")
PSEUDO: Final = re.compile(
    r"^v\d+\.\d+\.\d+-(?:[0-9A-Za-z.-]*\.)?0?\.?\d{14}-[0-9a-f]{12}(?:\+incompatible)?$"
)
_BLOCK: Final = re.compile(r"^([a-z]+)\s*\($")


@dataclass(frozen=True, slots=True)
class Line:
    """One directive: its verb, its words without quotes, and the line that it stands on."""

    verb: str
    words: tuple[str, ...]
    line: int
    indirect: bool = False


@dataclass(frozen=True, slots=True)
class ModFile:
    """A `go.mod`: its directives in order. `faults` are lines that cannot be read."""

    lines: tuple[Line, ...] = ()
    faults: tuple[str, ...] = field(default=())

    def of(self, *verbs: str) -> list[Line]:
        """Give the directives with one of some verbs."""
        return [one for one in self.lines if one.verb in verbs]

    @property
    def module(self) -> str:
        """The path of the module, "" if it has none."""
        return next((one.words[0] for one in self.of("module") if one.words), "")

    @property
    def required(self) -> dict[str, str]:
        """The versions of required modules, by path."""
        return {one.words[0]: one.words[1] for one in self.of("require") if len(one.words) == 2}


def read_mod(raw: bytes) -> ModFile:
    """Read a `go.mod`; what cannot be read is in its faults."""
    lines: list[Line] = []
    faults: list[str] = []
    verb = ""
    for number, text in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
        code, _, comment = text.partition("//")
        code = code.strip()
        if not code:
            continue
        if verb and code == ")":
            verb = ""
        elif not verb and (block := _BLOCK.match(code)):
            verb = block[1]
        else:
            words = [word.strip('"`') for word in code.split()]
            own = verb or words.pop(0)
            if "(" in words or ")" in words or not words:
                faults.append(f"line {number}: {code}")
            lines.append(Line(own, tuple(words), number, comment.strip().startswith("indirect")))
    return ModFile(tuple(lines), (*faults, *(["a block has no end"] if verb else [])))


def read_sum(raw: bytes) -> dict[tuple[str, str], frozenset[str]]:
    """Give the hashes of a `go.sum` by module and version; that of a go.mod alone has `/go.mod` behind."""
    out: dict[tuple[str, str], frozenset[str]] = {}
    for text in raw.decode("utf-8", "replace").splitlines():
        words = text.split()
        if len(words) == 3:
            key = (words[0], words[1])
            out[key] = out.get(key, frozenset()) | {words[2]}
    return out


class GoManifest(Manifest):
    """The protected part of a `go.mod`: which Go reads it, and where modules are taken from instead."""

    def guarded(self, raw: bytes) -> dict[str, Any] | None:
        """Give the guarded directives by their verbs, or None if the file cannot be read."""
        mod = read_mod(raw)
        if mod.faults:
            return None
        found = {verb: sorted(" ".join(one.words) for one in mod.of(verb)) for verb in GUARDED}
        return {verb: said for verb, said in found.items() if said}

    def restored(self, *, trusted: bytes | None, own: bytes) -> bytes | None:
        """Give `own` with the guarded directives of the trusted version."""
        before = self.guarded(trusted) if trusted is not None else {}
        if before == self.guarded(own):
            return own
        kept = [one for one in read_mod(own).lines if one.verb not in GUARDED]
        theirs = [one for one in read_mod(trusted or b"").lines if one.verb in GUARDED]
        return "".join(_written([*kept, *theirs])).encode()


def _written(lines: list[Line]) -> Iterator[str]:
    for one in lines:
        yield " ".join((one.verb, *one.words)) + (" // indirect" if one.indirect else "") + "\n"
