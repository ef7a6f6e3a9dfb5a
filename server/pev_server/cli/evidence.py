"""`pev verify-pr` and `pev evidence`: what a pull request carries, checked and handed out."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pev.engine import open_engine, parse_run_id
from pev.errors import EvidenceInvalid, InvalidInput, ProofInvalid
from pev.forge.evidence import MAX_BYTES
from pev.stages.attested import verify_commit
from pev_server.cli.exits import Exit
from pev_server.cli.main import JsonOption, RunArgument, asynchronous, configured, report_error
from pev_server.cli.output import print_json, print_text
from pev_server.cli.person import operator
from pev_server.cli.proving import KeyOption, parse_keys, read_file


@asynchronous
async def verify_pr(
    rev: Annotated[str, typer.Argument(metavar="[REV]", help="The head of the pull request.")] = "HEAD",
    key: KeyOption = None,
    repo: Annotated[Path, typer.Option(help="The repository, also a shallow or a bare one.")] = Path(),
    evidence: Annotated[
        Path | None, typer.Option(help="The evidence as a file, instead of the note on the commit.")
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            "--witness", metavar="VKEY", help="Key of a witness that must have cosigned; repeatable."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Check offline that this very commit passed the gate: signatures, tree, and its place in the log.

    Needs the verifier key of the server that opened the pull request (`pev trail keys` there), from a place
    that the pull request cannot change. Exit code 1 if the evidence does not hold for this commit.
    """
    keys, witnesses = parse_keys(key), parse_keys(witness)
    if not keys:
        raise InvalidInput("no key to verify with", hint="Give --key VKEY: `pev trail keys` prints it.")
    given = read_file(evidence, MAX_BYTES) if evidence is not None else None
    try:
        shown = await verify_commit(
            repo, rev, keys, evidence=given, witnesses=witnesses, witnesses_needed=len(witnesses)
        )
    except (EvidenceInvalid, ProofInvalid) as exc:
        if as_json:
            print_json(json.dumps({"holds": False, "code": exc.code, "reason": exc.message}))
        report_error(exc)
        return Exit.FAILED
    if as_json:
        print_json(json.dumps({"holds": True, **shown.model_dump(mode="json")}))
        return Exit.OK
    print_text(f"Commit {shown.commit} is what the gate of run {shown.run} passed.")
    print_text(f"Passed: {', '.join(shown.checks) or 'none'}")
    if shown.warned:
        print_text(f"Skipped, or let through by a person: {', '.join(shown.warned)}")
    print_text(f"Policy {shown.policy}")
    print_text(f"Event {shown.event} of log {shown.log} with {shown.size} events, root {shown.root}")
    if shown.witnesses:
        print_text(f"Witnessed by {', '.join(shown.witnesses)}")
    return Exit.OK


@asynchronous
async def evidence_of(
    run: RunArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> int:
    """Give the evidence of a run's pull request, as `pev verify-pr --evidence` reads it."""
    async with open_engine(configured()) as engine:
        data = await engine.reading.evidence(operator(), parse_run_id(run))
    if output is None:
        sys.stdout.write(data.decode())
        return Exit.OK
    try:
        output.write_bytes(data)
    except OSError as exc:
        raise InvalidInput(f"{output} cannot be written: {exc.strerror}", hint="Name another file.") from exc
    return Exit.OK
