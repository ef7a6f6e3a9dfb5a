"""`pev trail checkpoint`, `prove`, `verify-proof`, `tiles` and `keys`: evidence that others can check."""

import json
import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from pev.engine import Engine, open_engine
from pev.errors import InvalidInput, ProofInvalid, StorageFailed
from pev.events import Actor
from pev.trail.notary import Notary
from pev.trail.notes import VerifierKey, parse_vkey
from pev_server.cli.exits import Exit
from pev_server.cli.main import JsonOption, asynchronous, configured
from pev_server.cli.output import print_json, print_note, print_table, print_text
from pev_server.cli.person import operator

OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead of standard output.")
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="VKEY", help="Verifier key of the log; repeatable."),
]
WitnessedOption = Annotated[
    bool, typer.Option("--witnessed", help="Ask the configured witnesses to cosign the checkpoint.")
]


def read_file(path: Path, limit_bytes: int) -> bytes:
    """Read a file that a person named. Raises InvalidInput if it cannot be read, or is larger."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as exc:
        raise InvalidInput(f"{path} cannot be read: {exc.strerror}", hint="Name a file.") from exc
    if len(data) > limit_bytes:
        raise InvalidInput(f"{path} has more than {limit_bytes} bytes", hint="Name another file.")
    return data


def parse_keys(given: list[str] | None) -> list[VerifierKey]:
    """Read verifier keys from the command line. Raises InvalidInput."""
    return [parse_vkey(one) for one in given or ()]


def _emit(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise StorageFailed(f"{output} cannot be written: {exc.strerror}", hint="Name another file.") from exc


def _notary(engine: Engine) -> Notary:
    return Notary.of(engine.core.trail, engine.core.config)


@asynchronous
async def checkpoint(output: OutputOption = None, witnessed: WitnessedOption = False) -> int:
    """Print the log's signed checkpoint. Keep it elsewhere: only against one is a roll-back seen."""
    async with open_engine(configured()) as engine:
        head = await engine.reading.checkpoint(operator(), witnessed=witnessed)
    for name, why in head.refused.items():
        print_note(f"witness {name} did not cosign: {why}")
    _emit(head.note, output)
    return Exit.OK


@asynchronous
async def prove(
    event: Annotated[int, typer.Argument(min=0, help="Number of the event.")],
    output: OutputOption = None,
    without_payload: Annotated[
        bool, typer.Option("--without-payload", help="Show the digest of the payload only.")
    ] = False,
    witnessed: WitnessedOption = False,
) -> int:
    """Write a proof of one event that stands alone; `pev trail verify-proof` checks it anywhere."""
    async with open_engine(configured()) as engine:
        text = await engine.reading.prove(operator(), event, payload=not without_payload, witnessed=witnessed)
    _emit(text, output)
    return Exit.OK


def verify_proof(
    file: Annotated[Path, typer.Argument(help="What `pev trail prove` wrote.")],
    key: KeyOption = None,
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", metavar="VKEY", help="Key of a witness that counts; repeatable."),
    ] = None,
    witnesses_needed: Annotated[
        int | None, typer.Option(min=0, help="How many of them must have cosigned; all, if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a proof, offline and without a trail, with nothing but the log's verifier key."""

    async def check() -> int:
        from pev.trail.proof import MAX_PROOF_BYTES, parse_proof
        from pev.trail.proof import verify_proof as verify

        if not key:
            raise InvalidInput(
                "no verifier key is given", hint="Give --key; the log's owner reads it with `pev trail keys`."
            )
        proof = parse_proof(read_file(file, MAX_PROOF_BYTES))
        seen_by = parse_keys(witness)
        needed = len(seen_by) if witnesses_needed is None else witnesses_needed
        try:
            proven = verify(proof, parse_keys(key), witnesses=seen_by, witnesses_needed=needed)
        except ProofInvalid as exc:
            print_note(f"the proof does not hold: {exc}")
            return Exit.FAILED
        if as_json:
            shown = {
                "event": proven.event.model_dump(mode="json"),
                "origin": proven.checkpoint.origin,
                "head": proven.checkpoint.head.model_dump(mode="json"),
                "witnesses": list(proven.witnesses),
            }
            print_json(json.dumps(shown))
            return Exit.OK
        one, head = proven.event, proven.checkpoint.head
        print_text(f"proven: event {one.seq} of {head.size} in {proven.checkpoint.origin}")
        print_text(f"  {one.at} {one.stream} {one.kind} by {one.actor.principal} ({one.actor.role})")
        print_text(f"  cosigned by {', '.join(proven.witnesses) or 'no witness'}")
        if one.payload is not None:
            print_text(json.dumps(one.payload, indent=2, ensure_ascii=False))
        return Exit.OK

    asynchronous(check)()


@asynchronous
async def tiles(
    folder: Annotated[Path, typer.Argument(help="Where a web server finds them.")],
    witnessed: WitnessedOption = False,
) -> int:
    """Write the log as C2SP tiles that anyone can fetch and check; again, only what is new.

    Entries tell who did what kind of thing when, and the digest of its payload; never a payload.
    """
    from pev.trail.tiles import write_tiles

    async with open_engine(configured()) as engine:
        head = await engine.reading.checkpoint(operator(), witnessed=witnessed)
        count = await anyio.to_thread.run_sync(
            write_tiles, engine.core.trail, folder, head.checkpoint, head.note
        )
    print_json(json.dumps({"files": count, "events": head.checkpoint.head.size}))
    return Exit.OK


@asynchronous
async def keys(as_json: JsonOption = False) -> int:
    """Show the verifier keys of the log: those that sign now, and those that once did."""
    async with open_engine(configured()) as engine:
        signing = await anyio.to_thread.run_sync(_notary(engine).signing_keys)
        known = await anyio.to_thread.run_sync(_notary(engine).known_keys)
    rows = [(str(key), "signs" if key in signing else "retired") for key in known]
    if as_json:
        print_json(json.dumps([{"vkey": vkey, "state": state} for vkey, state in rows]))
    else:
        print_table("keys", ("verifier key", "state"), rows)
    return Exit.OK


@asynchronous
async def rotate_key() -> int:
    """Let a new key sign beside the old one. Tell those who check its verifier key, then retire the old."""
    async with open_engine(configured()) as engine:
        key = await anyio.to_thread.run_sync(_notary(engine).rotate, Actor.of(operator()))
    print_text(str(key))
    return Exit.OK


@asynchronous
async def retire_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its 8 hex digits; see `pev trail keys`.")],
) -> int:
    """Let an old key sign no longer. Its checkpoints hold, and its verifier key stays in the log's record."""
    async with open_engine(configured()) as engine:
        key = await anyio.to_thread.run_sync(_notary(engine).retire, key_id, Actor.of(operator()))
    print_text(f"retired: {key}")
    return Exit.OK
