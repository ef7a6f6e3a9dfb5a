"""The list of runs, a page at a time, with the proof state of the record above it."""

from collections.abc import Sequence
from urllib.parse import urlencode

from pev.facts import GateState, PrState
from pev.run import RunState
from pev.text import one_line
from pev.trail.query import RunPage
from pev_server.web.layout import document
from pev_server.web.markup import Markup, join, tag
from pev_server.web.parts import NOTHING, badge, headed, moment, unreadable


def runs_page(page: RunPage, standing: Markup, *, base: str, who: str, first: bool) -> str:
    """Build the list; `first` says whether it begins with the newest run."""
    table = _table(page.runs, base) if page.runs else NOTHING
    if not page.runs and not page.unreadable:
        table = tag("p", "No run was recorded here." if first else "There is no older run.")
    newest = tag("a", "Newest runs", href=f"{base}trail/")
    older = tag("a", "Older runs", href=f"{base}trail/?{urlencode({'before': page.cursor})}")
    ways = [*([] if first else [newest]), *([older] if page.cursor else [])]
    return document(
        "Runs",
        tag("h1", "Runs"),
        standing,
        unreadable(page.unreadable, base),
        tag("section", table, tag("p", [join(one, " ") for one in ways], class_="ways") if ways else NOTHING),
        base=base,
        who=who,
    )


def pull_request(pr: PrState | None) -> Markup:
    """Show where a pull request is, and how it stands; an address is a link only if it is one of the web."""
    if pr is None:
        return NOTHING
    named = f"#{pr.number}" if pr.number else one_line(pr.branch, 80)
    is_link = pr.url.startswith(("https://", "http://"))
    place = tag("a", named, href=pr.url, rel="noreferrer") if is_link else tag("code", named)
    warning = tag("span", " NOT COVERED", class_="high") if pr.warning else NOTHING
    return join(place, " ", pr.state, warning)


def gate_outcome(gate: GateState | None) -> Markup:
    """Show what a gate said, or that it goes on."""
    if gate is None:
        return NOTHING
    return badge(gate.outcome.value) if gate.outcome is not None else tag("span", "running", class_="soft")


def _table(states: Sequence[RunState], base: str) -> Markup:
    rows = [
        tag(
            "tr",
            tag(
                "td", tag("a", one_line(state.task, 160), href=f"{base}trail/runs/{state.id}", class_="task")
            ),
            tag("td", state.repo_name),
            tag("td", state.status.value.replace("_", " "), class_="fit"),
            tag("td", one_line(state.opened_by, 40), class_="words"),
            tag("td", moment(state.opened_at), class_="fit"),
            tag("td", gate_outcome(state.gate), class_="fit"),
            tag("td", pull_request(state.pr)),
        )
        for state in states
    ]
    names = ("task", "repository", "stands at", "begun by", "at (UTC)", "gate", "pull request")
    return headed(names, rows)
