"""`pev init` and `pev doctor`: the policy file of a repository, and whether this machine can do the work."""

import json
import platform
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pev.config import Config, config_file
from pev.engine import Engine, open_engine
from pev.errors import InvalidInput, PevError
from pev.gate.policy import default_toml
from pev.gate.tools import tool_versions
from pev.repos.source import git_version
from pev_server.cli.confinement import sandbox_facts
from pev_server.cli.exits import Exit
from pev_server.cli.facts import Fact
from pev_server.cli.main import JsonOption, PathArgument, asynchronous, configured, configured_for
from pev_server.cli.output import print_json, print_note, print_table, print_text
from pev_server.cli.person import operator

if TYPE_CHECKING:
    from pev.gate.trial import Tried


@asynchronous
async def init(
    path: PathArgument = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace a pev.toml that is there.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Only print it.")] = False,
    measure: Annotated[
        bool, typer.Option(help="Run each check once on the default branch, and set its limit from that.")
    ] = True,
    trust: Annotated[
        bool, typer.Option("--trust", help="Measure this repository's own code too, once.")
    ] = False,
) -> int:
    """Write a commented pev.toml that fits the repository at PATH. It counts once on the trusted ref.

    Each check is run once on the default branch as it is, and its time limit is set from what it took.
    """
    config, name = configured_for(path)
    results = []
    async with open_engine(config) as engine:
        repo = await engine.core.catalog.find(name)
        target = repo.root / "pev.toml"
        if target.exists() and not (force or only_print):
            hint = "Add --force to replace it, or --print to only see it."
            raise InvalidInput(f"{target} exists", hint=hint)
        detected = await engine.verifying.detect(operator(), name)
        if measure:
            async for one in engine.verifying.measure_base(operator(), name, trusted=trust):
                print_note(f"{one.check}: {one.outcome} on the default branch, {one.seconds:.1f} s")
                results.append(one)
    text = default_toml(detected, results)
    if only_print:
        print_text(text)
        return Exit.OK
    target.write_text(text, encoding="utf-8")
    print_text(f"wrote {target}. Commit it to the default branch: the gate reads it from there.")
    return Exit.OK


async def _python(_: Config) -> Fact:
    found = platform.python_version()
    return Fact(name="python", state="ok", text=f"{found} at {sys.executable}")


async def _git(_: Config) -> Fact:
    return Fact(name="git", state="ok", text=await git_version())


async def _tools(_: Config) -> Fact:
    found = await tool_versions()
    return Fact(name="tools", state="ok", text=", ".join(f"{name} {one}" for name, one in found.items()))


async def _folders(config: Config) -> Fact:
    for folder in (config.state_dir, config.cache_dir, config.worktrees):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".pev-probe"
        probe.write_bytes(b"")
        probe.unlink()
    text = f"state {config.state_dir}, cache {config.cache_dir}, worktrees {config.worktrees}"
    return Fact(name="folders", state="ok", text=text)


async def _configuration(_: Config) -> Fact:
    file = config_file()
    there = "read" if file.exists() else "not there; the defaults and PEV_… variables apply"
    return Fact(name="configuration", state="ok", text=f"{file}: {there}")


async def _engine_facts(engine: Engine) -> list[Fact]:
    report = await engine.reading.verify(operator())
    state = "ok" if report.intact else "bad"
    facts = [Fact(name="trail", state=state, text=report.summary)]
    names = engine.core.catalog.names
    text = ", ".join(names) if names else "none here: start PEV in one, or name it with --repo"
    return [*facts, Fact(name="repositories", state="ok" if names else "note", text=text)]


def _cheats(engine: Engine, *, trusted: bool) -> "AsyncIterator[Tried]":
    return engine.verifying.try_cheats(operator(), repo=None, trusted=trusted)


def _cheat(tried: "Tried") -> Fact:
    state = "note" if tried.caught is None else "ok" if tried.caught else "bad"
    words = {None: "not tried", True: "caught", False: "NOT CAUGHT"}[tried.caught]
    return Fact(name="gate", state=state, text=f"{tried.cheat}: {words} ({tried.said})")


PROBES: Final[Sequence[Callable[[Config], Awaitable[Fact]]]] = (
    _python,
    _git,
    _configuration,
    _folders,
    _tools,
)


async def _probe(probe: Callable[[Config], Awaitable[Fact]], config: Config) -> Fact:
    name = probe.__name__.strip("_")
    try:
        return await probe(config)
    except PevError as exc:
        return Fact(name=name, state="bad", text=exc.message, hint=exc.hint)
    except OSError as exc:
        return Fact(name=name, state="bad", text=f"{exc.filename}: {exc.strerror}", hint="Check the folder.")


@asynchronous
async def doctor(
    as_json: JsonOption = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="Also plant known cheats in copies of this repository.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="With --gate: run this repository's own checks, once.")
    ] = False,
) -> int:
    """Look at everything that PEV needs here, and say what is missing and how to get it.

    With --gate it also plants known cheats in scratch copies of this repository, and shows that the gate
    catches each, with these tools and this policy.
    """
    config = configured()
    facts = [await _probe(probe, config) for probe in PROBES]
    facts += await sandbox_facts(config)
    try:
        async with open_engine(config, cwd=Path.cwd()) as engine:
            facts += await _engine_facts(engine)
            if gate:
                facts += [_cheat(one) async for one in _cheats(engine, trusted=trust)]
    except PevError as exc:
        facts.append(Fact(name="trail", state="bad", text=exc.message, hint=exc.hint))
    if as_json:
        print_json(json.dumps([fact.model_dump() for fact in facts]))
    else:
        rows = [(fact.state, fact.name, f"{fact.text}. {fact.hint}".strip(". ")) for fact in facts]
        print_table("doctor", ("", "what", "found"), rows)
    return Exit.ERROR if any(fact.state == "bad" for fact in facts) else Exit.OK
