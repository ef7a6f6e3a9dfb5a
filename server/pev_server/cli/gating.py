"""`pev gate` and `pev check`: judge a path without a run."""

from pathlib import Path
from typing import Annotated

import typer

from pev.engine import open_engine
from pev.errors import PevError
from pev.findings import Outcome
from pev_server.cli.exits import OF_OUTCOME, Exit, of_error
from pev_server.cli.main import JsonOption, PathArgument, asynchronous, configured_for, report_error
from pev_server.cli.output import coloured, live_progress, out, print_finding, print_json, print_report
from pev_server.cli.person import operator

TrustOption = Annotated[
    bool, typer.Option("--trust", help="Trust this repository's own commands and tests, for this call.")
]


@asynchronous
async def gate(
    path: PathArgument = Path(),
    base: Annotated[
        str | None,
        typer.Option(help="What to compare with; also names the policy. Default: the trusted ref."),
    ] = None,
    commit: Annotated[
        str | None, typer.Option(help="Judge this commit instead of the files at PATH.")
    ] = None,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> int:
    """Judge the files at PATH, as they are, against the trusted ref. Needs no run."""
    config, name = configured_for(path)
    try:
        async with (
            open_engine(config) as engine,
            live_progress(quiet=as_json) as progress,
        ):
            report = await engine.verifying.judge_path(
                operator(),
                repo=name,
                base=base,
                commit=commit,
                trusted=trust,
                progress=progress,
            )
    except PevError as exc:
        if not as_json:
            raise
        print_json(_refusal(exc))
        report_error(exc)
        return of_error(exc) if of_error(exc) is Exit.USAGE else Exit.INCONCLUSIVE
    if as_json:
        print_json(report.model_dump_json())
    else:
        print_report(report)
    return OF_OUTCOME[report.outcome]


def _refusal(error: PevError) -> str:
    """What could not be judged is INCONCLUSIVE, in JSON too."""
    import json

    body = {
        "outcome": Outcome.INCONCLUSIVE.value,
        "reason": f"[{error.code}] {error.message}",
        "checks": [],
        "findings": [],
    }
    return json.dumps(body)


@asynchronous
async def check(
    name: Annotated[str, typer.Argument(help="format, lint, types, tests, security, deps, or an own check.")],
    path: PathArgument = Path(),
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> int:
    """Run one check on the files at PATH, and show old findings too. Needs no run."""
    config, repo = configured_for(path)
    async with open_engine(config) as engine:
        result = await engine.verifying.check_path(operator(), name, repo=repo, trusted=trust)
    if as_json:
        print_json(result.model_dump_json())
    else:
        for finding in result.findings:
            print_finding(finding)
        out.print(f"{result.check} {coloured(result.outcome)} {result.seconds:.1f} s  {result.reason}")
    return OF_OUTCOME[result.outcome]
