"""What `pev doctor` says of the sandbox: which mechanism is in force, and each attempt to break out of it."""

from pev.config import Config
from pev.sandbox.interface import Sandbox
from pev.sandbox.probe import Trial
from pev.sandbox.select import survey
from pev_server.cli.facts import Fact

_NONE = "none, because the operator wrote it: commands run as this user; every result says sandboxed: false"


async def sandbox_facts(config: Config) -> list[Fact]:
    """Try to break out of the sandbox, and tell what came of it, worst mechanism last."""
    found = await survey(config)
    if found.sandbox is None:
        fact = Fact(
            name="sandbox",
            state="bad",
            text=f"no mechanism works here (sandbox = {config.sandbox!r}), so commands are refused",
            hint=next((one.hint for one in found.trials if one.hint), ""),
        )
    elif not found.sandbox.confines:
        hint = "Point PEV only at repositories whose code you would run yourself."
        fact = Fact(name="sandbox", state="note", text=_NONE, hint=hint)
    else:
        fact = _in_force(found.sandbox, found.trials[-1])
    return [fact, *(_tried(one) for one in found.trials)]


def _in_force(sandbox: Sandbox, trial: Trial) -> Fact:
    text = trial.mechanism + (", degraded" if sandbox.gaps else "")
    if not sandbox.gaps:
        return Fact(name="sandbox", state="ok", text=text)
    return Fact(
        name="sandbox",
        state="note",
        text=f"{text}: a process inside can still {', '.join(sorted(sandbox.gaps))}",
        hint="Get bubblewrap to work to close these gaps; until then tests of a repository need `pev trust`.",
    )


def _tried(trial: Trial) -> Fact:
    """Tell of one mechanism: each attempt with what it got."""
    if not trial.attempts:
        return Fact(name="tried", state="note", text=f"{trial.mechanism}: {trial.why}", hint=trial.hint)
    stopped = [one.name for one in trial.attempts if one.stopped]
    said = f"{len(stopped)} of {len(trial.attempts)} attempts to break out had no effect"
    listed = "; ".join(
        f"{one.name}: {'stopped' if one.stopped else 'GAP' if one.gap else 'NOT STOPPED'}"
        for one in trial.attempts
    )
    why = f". {trial.why}" if trial.why else ""
    state = "ok" if trial.passed else "note"
    text = f"{trial.mechanism}: {said} ({listed}){why}"
    return Fact(name="tried", state=state, text=text, hint=trial.hint)
