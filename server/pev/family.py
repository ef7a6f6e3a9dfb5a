"""Families of models: whether two models are likely to share their blind spots.

A family is told from a model's own name, through whatever service it is reached. An unknown name is no
family, and what cannot be told counts as not different.
"""

import re
from collections.abc import Iterable
from typing import Final

from pev.work import Kin

_FAMILIES: Final = {
    "claude": r"claude",
    "gpt": r"gpt|chatgpt|codex|o[1-9]",
    "gemini": r"gemini|gemma",
    "llama": r"(?:meta-)?llama",
    "mistral": r"mistral|mixtral|ministral|magistral|codestral|devstral",
    "qwen": r"qwen|qwq",
    "deepseek": r"deepseek",
    "grok": r"grok",
    "command": r"command",
    "nova": r"nova",
    "kimi": r"kimi",
    "glm": r"glm",
    "phi": r"phi",
}
_BEGINS: Final = {
    name: re.compile(rf"(?:{words})(?![a-z])", re.IGNORECASE) for name, words in _FAMILIES.items()
}
_PARTS: Final = re.compile(r"[:/.\s]+")


def family_of(model: str) -> str:
    """Give the family of a model by its name; "" if it is not known, or names several."""
    parts = [part for part in _PARTS.split(model) if part]
    found = {name for name, pattern in _BEGINS.items() for part in parts if pattern.match(part)}
    return found.pop() if len(found) == 1 else ""


def kin_of(authors: Iterable[str], judge: str) -> Kin:
    """Say whether any of the authors' models is of the judge's family. No author at all is unknown."""
    own = family_of(judge)
    families = {family_of(one) for one in authors}
    if own and own in families:
        return Kin.SAME
    return Kin.DIFFERENT if own and families and "" not in families else Kin.UNKNOWN
