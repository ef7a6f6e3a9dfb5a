"""What a repository requests for its commands, and what of it they get.

The policy of the trusted ref requests, the operator's configuration grants, and a person trusts the policy:
what all three agree on is given, and nothing else. Limits need no trust, for they can only be narrowed.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from pev.config import Config
from pev.errors import ConfigInvalid, InvalidInput
from pev.models import Model
from pev.sandbox.hosts import HostPattern, address_of
from pev.sandbox.limits import Limits

_NO_BOUND: Final = 2**62


def _host(text: str) -> str:
    try:
        return str(HostPattern.parse(text))
    except InvalidInput as exc:
        raise ValueError(f"{exc.message}; {exc.hint}") from exc


def _absolute(text: str) -> str:
    if not text.startswith("/") or os.path.normpath(text) != text or text == "/":
        raise ValueError(f"{text!r} is no plain absolute path below the root")
    return text


HostText = Annotated[str, AfterValidator(_host)]
PathText = Annotated[
    str, StringConstraints(max_length=4_096, pattern=r"^[^\x00]+$"), AfterValidator(_absolute)
]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class LimitSettings(Model):
    """Bounds that a repository sets for its own commands, below the operator's. Sizes are in bytes.

    `cpu_s` is computing time of each process, `wall_s` the time that a command takes as a whole.
    """

    memory_bytes: int | None = Field(default=None, ge=2**20)
    processes: int | None = Field(default=None, ge=1, le=2**20)
    cpu_s: float | None = Field(default=None, gt=0, le=86_400)
    wall_s: float | None = Field(default=None, gt=0, le=86_400)
    output_bytes: int | None = Field(default=None, ge=2**10)
    file_bytes: int | None = Field(default=None, ge=2**16)
    tmp_bytes: int | None = Field(default=None, ge=2**16)


class SandboxSettings(Model):
    """What a repository requests: hosts with ports, further paths to read, variables by name, limits."""

    hosts: tuple[HostText, ...] = Field(default=(), max_length=100)
    read: tuple[PathText, ...] = Field(default=(), max_length=100)
    env: tuple[Variable, ...] = Field(default=(), max_length=100)
    limits: LimitSettings = LimitSettings()


class Allowance(Model):
    """What an operator grants at most, to repositories that request it."""

    hosts: tuple[HostText, ...] = ()
    read: tuple[Path, ...] = ()
    env: tuple[str, ...] = ()


class Grants(Model):
    """What a command gets, and what was requested in vain. `addresses` are those that the operator named."""

    hosts: tuple[HostText, ...] = ()
    addresses: tuple[HostText, ...] = ()
    read: tuple[Path, ...] = ()
    env: tuple[str, ...] = ()
    limits: LimitSettings = LimitSettings()
    refused: tuple[str, ...] = ()

    def variables(self) -> dict[str, str]:
        """Give the granted variables that are set, with their values."""
        return {name: os.environ[name] for name in self.env if name in os.environ}

    def hint(self) -> str:
        """Say what was requested in vain, and who can change that; "" if nothing was."""
        if not self.refused:
            return ""
        return (
            f"requested in the policy and not granted: {', '.join(self.refused)};"
            " a person can trust the policy with `pev trust`, and the operator allow it"
            " (allow_hosts, allow_read, pass_env)"
        )


def allowance(config: Config) -> Allowance:
    """Give what the operator's configuration allows. Raises ConfigInvalid that names the fault."""
    try:
        return Allowance(hosts=config.allow_hosts, read=config.allow_read, env=config.pass_env)
    except ValidationError as exc:
        faults = "; ".join(fault["msg"] for fault in exc.errors(include_url=False, include_input=False))
        raise ConfigInvalid(
            f"allow_hosts does not validate: {faults}", hint="Correct it in the operator's configuration."
        ) from exc


def granted(request: SandboxSettings, operator: Allowance, *, trusted: bool) -> Grants:
    """Give what a command gets: what is requested and allowed, and without trust nothing but limits.

    A path is given if it lies in an allowed one, links resolved on both sides.
    """
    if not trusted:
        refused = tuple(map(str, (*request.hosts, *request.read, *request.env)))
        return Grants(limits=request.limits, refused=refused)
    hosts = _hosts(request.hosts, operator.hosts)
    read = tuple(path for path in map(Path, request.read) if _below(path, operator.read))
    env = tuple(name for name in request.env if name in operator.env)
    met = {str(one) for one in (*hosts, *read, *env)}
    named = [one for one in operator.hosts if address_of(HostPattern.parse(one).host) is not None]
    return Grants(
        hosts=hosts,
        addresses=tuple(named) if hosts else (),
        read=read,
        env=env,
        limits=request.limits,
        refused=tuple(one for one in (*request.hosts, *request.read, *request.env) if one not in met),
    )


def _hosts(requested: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    wanted, given = map(HostPattern.parse, requested), [HostPattern.parse(one) for one in allowed]
    both = (one.both(other) for one in wanted for other in given)
    return tuple(dict.fromkeys(str(one) for one in both if one is not None))


def _below(path: Path, allowed: Iterable[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(one)) for one in allowed)


def narrowed(limits: LimitSettings) -> Limits | None:
    """Give the bounds of a command's processes for these settings; what is unset bounds nothing."""
    given = limits.model_dump(exclude_none=True, exclude={"wall_s", "output_bytes"})
    if not given:
        return None
    open_ended = dict.fromkeys(
        ("memory_bytes", "processes", "file_bytes", "open_files", "tmp_bytes"), _NO_BOUND
    )
    return Limits(**{**open_ended, **given})
