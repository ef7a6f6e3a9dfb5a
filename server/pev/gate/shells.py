"""Finds shells that are started as plain programs: a list of arguments whose text is still run by a shell."""

import ast
from pathlib import PurePath
from typing import Final

_SHELLS: Final = {"sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "cmd", "powershell", "pwsh"}
_FLAGS: Final = {"-c", "-lc", "-ec", "-ce", "-ic", "/c", "/k", "-command", "-encodedcommand"}
_ITERATED: Final = {"values", "items", "copy"}


def shell_text(node: ast.AST) -> str:
    """Name the shell whose text is not written down in a list of arguments such as `["sh", "-c", text]`.

    Gives "" where there is none, or its text is a constant.
    """
    if not isinstance(node, ast.List | ast.Tuple) or not node.elts:
        return ""
    words = [one.value if isinstance(one, ast.Constant) else None for one in node.elts]
    # `env`, `sudo` and the like may stand before it
    for place, word in enumerate(words[:-2]):
        name = PurePath(word).name.lower().removesuffix(".exe") if isinstance(word, str) else ""
        flag = words[place + 1]
        if name in _SHELLS and isinstance(flag, str) and flag.lower() in _FLAGS and words[place + 2] is None:
            return name
    return ""


def is_searched(node: ast.Attribute | ast.Name, parent: ast.AST | None) -> bool:
    """Say whether all that a mapping holds is gone through, so that no name shows which entry is meant."""
    if isinstance(parent, ast.Attribute) and parent.value is node:
        return parent.attr in _ITERATED
    return isinstance(parent, ast.For | ast.comprehension) and parent.iter is node
