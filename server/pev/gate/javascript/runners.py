"""Which program runs a project's tests, as its manifest says, and with which options of its own.

The manifest's `scripts` are protected, so what is read here is the trusted version. They are never run: of
the command lines in them only the name of the runner and its options are taken.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from pev.gate.javascript.packages import declared, table_of


class RunnerName(StrEnum):
    """The programs that PEV can run tests with."""

    NODE = "node"
    VITEST = "vitest"
    JEST = "jest"
    MOCHA = "mocha"


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner, the options that the project gives it, and the files or folders that it names.

    `node_options` are options of node itself, for a runner that is a program of its own.
    """

    name: RunnerName
    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    node_options: tuple[str, ...] = ()


_WITH_VALUE: Final = {
    "--import",
    "--require",
    "-r",
    "--loader",
    "--experimental-loader",
    "--conditions",
    "-C",
    "--env-file",
    "--config",
    "-c",
    "--project",
    "--environment",
    "--root",
    "--test-concurrency",
    "--test-timeout",
    "--spec",
    "--ui",
    "-u",
    "--file",
    "--extension",
    "--rootDir",
    "--testEnvironment",
}
_KEPT: Final = {
    RunnerName.NODE: (
        "--import",
        "--require",
        "-r",
        "--loader",
        "--experimental-loader",
        "--conditions",
        "-C",
        "--experimental-",
        "--enable-source-maps",
        "--expose-gc",
        "--no-warnings",
        "--test-concurrency",
    ),
    RunnerName.VITEST: (
        "--config",
        "-c",
        "--project",
        "--environment",
        "--globals",
        "--root",
        "--typecheck",
        "--dom",
    ),
    RunnerName.JEST: ("--config", "-c", "--testEnvironment", "--rootDir", "--runInBand", "-i"),
    RunnerName.MOCHA: (
        "--require",
        "-r",
        "--import",
        "--ui",
        "-u",
        "--file",
        "--extension",
        "--recursive",
        "--spec",
        "--config",
        "-c",
        "--exit",
        "--loader",
    ),
}
_PROGRAMS: Final = {
    "vitest": RunnerName.VITEST,
    "vitest.mjs": RunnerName.VITEST,
    "jest": RunnerName.JEST,
    "jest.js": RunnerName.JEST,
    "mocha": RunnerName.MOCHA,
    "_mocha": RunnerName.MOCHA,
    "mocha.js": RunnerName.MOCHA,
}
_FOR_NODE: Final = ("--experimental-", "--no-warnings", "--enable-source-maps")
_WRAPPERS: Final = {"node", "npx", "c8", "nyc", "cross-env", "env", "tsx", "ts-node", "dotenv", "--"}
_DROPPED: Final = ("--experimental-test-coverage",)
_DEPTH: Final = 5


def runner_of(manifest: Mapping[str, Any]) -> Runner | None:
    """Give the runner that the script `test` starts, or the only one that is declared, else None."""
    scripts = {str(key): str(value) for key, value in table_of(manifest.get("scripts")).items()}
    named = _read(scripts, "test", 0)
    if named is None:
        others = (name for name in scripts if name.startswith(("test:", "unit", "coverage")))
        named = next((found for name in others if (found := _read(scripts, name, 0)) is not None), None)
    if named is not None:
        return named
    asked = declared(manifest)
    known = [one for one in (RunnerName.VITEST, RunnerName.JEST, RunnerName.MOCHA) if one in asked]
    return Runner(known[0]) if len(known) == 1 else None


def _read(scripts: Mapping[str, str], name: str, depth: int) -> Runner | None:
    """Find a runner in a script, or in a script that it calls."""
    text = scripts.get(name, "")
    for part in text.replace("&&", "\n").replace("||", "\n").replace(";", "\n").splitlines():
        try:
            words = shlex.split(part)
        except ValueError:
            continue
        called = _called(words)
        if called and depth < _DEPTH:
            for own in _matching(scripts, called):
                if own != name and (found := _read(scripts, own, depth + 1)) is not None:
                    return found
        if (runner := _runner_in(words)) is not None:
            return runner
    return None


def _called(words: list[str]) -> str:
    """Give the script that a command line calls, "" if it calls none."""
    if words[:1] and words[0] in ("npm", "pnpm", "yarn", "run-s", "run-p", "npm-run-all"):
        rest = [word for word in words[1:] if not word.startswith("-") and word not in ("run", "run-script")]
        return rest[0] if rest else ""
    return ""


def _matching(scripts: Mapping[str, str], called: str) -> list[str]:
    start = called.rstrip("*")
    return [name for name in scripts if name == called or (called.endswith("*") and name.startswith(start))]


def _runner_in(words: list[str]) -> Runner | None:
    plain = [word.rpartition("/")[2] for word in words]
    for at, word in enumerate(plain):
        name = _PROGRAMS.get(word)
        before = [one for one in plain[:at] if not one.startswith("-") and "=" not in one]
        if name is not None and all(one in _WRAPPERS for one in before):
            found = _with_options(name, words[at + 1 :])
            return replace(found, node_options=tuple(_node_options(words[:at])))
        if word in ("node", "tsx") and "--test" in words[at + 1 :]:
            found = _with_options(RunnerName.NODE, words[at + 1 :])
            return replace(found, options=(*(("--import", "tsx") if word == "tsx" else ()), *found.options))
    return None


def _node_options(words: list[str]) -> Iterator[str]:
    """Give the options for node before a runner: by themselves, or in the variable for them."""
    for word in words:
        name, _, value = word.partition("=")
        for option in value.split() if name == "NODE_OPTIONS" else [word]:
            if option.startswith(_FOR_NODE):
                yield option


def _with_options(name: RunnerName, words: list[str]) -> Runner:
    """Take the options that say how code is loaded, not those that say what counts."""
    options: list[str] = []
    paths: list[str] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if not word.startswith("-"):
            paths += [] if word in ("run", "watch") and name is RunnerName.VITEST else [word]
            continue
        key, given, _ = word.partition("=")
        value = [pending.pop(0)] if key in _WITH_VALUE and not given and pending else []
        if key.startswith(_KEPT[name]) and key not in _DROPPED:
            options += [word, *value]
    return Runner(name, tuple(options), tuple(paths))
