"""All commands but `serve`, registered explicitly."""

import typer

from pev_server.cli import (
    approvals,
    deciding,
    evidence,
    explaining,
    gating,
    hosts,
    looking,
    running,
    setup,
    trailing,
)


def register(app: typer.Typer) -> None:
    """Add every command to the application."""
    app.command("gate")(gating.gate)
    app.command("check")(gating.check)
    app.command("run")(running.run)
    app.command("runs")(looking.runs)
    app.command("show")(looking.show)
    app.command("approve")(deciding.approve)
    app.command("reject")(deciding.reject)
    app.command("decide")(deciding.decide)
    app.command("decision")(deciding.decision)
    app.command("approvals")(approvals.approvals)
    app.command("trust")(deciding.trust)
    app.command("verify-pr")(evidence.verify_pr)
    app.command("evidence")(evidence.evidence_of)
    app.add_typer(trailing.app, name="trail")
    app.command("why")(explaining.why)
    app.command("init")(setup.init)
    app.command("doctor")(setup.doctor)
    app.command("install")(hosts.install)
    app.command("uninstall")(hosts.uninstall)
