"""Parts of pages: a plan, a finding, a change, as every page shows them."""

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from pev.findings import Effect, Finding
from pev.models import RunId
from pev.plan import Change, Plan
from pev.text import one_line
from pev_server.web.markup import Markup, join, tag

NOTHING: Final = Markup("")
_HEADER: Final = "diff --git "
_CUT: Final = re.compile(r"\[\.\.\. \d+ bytes cut out \.\.\.\]")
_LOST: Final = " CANNOT BE READ: what is stored of it was changed, and is no state of a run."
_CLASSES: Final = {"+": "add", "-": "del", "@": "hunk"}


def moment(at: str) -> str:
    """Write an RFC 3339 time in UTC as people read it, to the second."""
    return at[:19].replace("T", " ")


def badge(word: str) -> Markup:
    """Show an outcome, a risk or the like, in its colour if it has one."""
    return tag("span", word, class_=f"badge {word}" if word.isalpha() else "badge")


def headed(names: tuple[str, ...], rows: list[Markup]) -> Markup:
    """Build a table with a head."""
    return tag("table", tag("tr", [tag("th", name) for name in names]), rows)


def unreadable(runs: Sequence[RunId], base: str) -> Markup:
    """Name the runs that belong in a list, and cannot be shown there."""
    if not runs:
        return NOTHING
    lines = [
        tag("li", "Run ", tag("a", one_line(run, 40), href=f"{base}trail/runs/{quote(run, safe='')}"), _LOST)
        for run in runs
    ]
    return tag("section", tag("ul", lines), class_="standing broken")


def place_of(one: Finding) -> str:
    """Say where a finding is."""
    return f"{one.path}:{one.line}" if one.line else one.path or "-"


def finding(one: Finding) -> Markup:
    """Show a finding, and who let it through if somebody did."""
    held = " (held)" if one.effect is Effect.HOLDS else ""
    allowed = f" (let through by {one.allowed_by})" if one.allowed_by else ""
    return tag("li", tag("code", f"{one.check}/{one.rule}{held} {place_of(one)}"), " ", one.message, allowed)


def change(one: Change) -> Markup:
    """Show what changed in a part of a plan."""
    was = tag("span", "- ", one.before, class_="was") if one.before is not None else NOTHING
    now = tag("span", "+ ", one.after, class_="now") if one.after is not None else NOTHING
    return join(tag("p", tag("strong", one.name)), was, now)


def whole_plan(plan: Plan) -> Markup:
    """Show all of a plan."""
    steps = [
        tag(
            "tr",
            tag("td", tag("code", step.id)),
            tag("td", badge(step.risk.value), class_="fit"),
            tag("td", step.description),
            tag("td", [tag("div", tag("code", path)) for path in step.files_touched], class_="words"),
        )
        for step in plan.steps
    ]
    answers = [tag("li", f"{one.question} → {one.answer}") for one in plan.answers]
    return join(
        tag("p", tag("strong", "Goal. "), plan.goal),
        tag("p", tag("strong", "Approach. "), plan.approach),
        tag("p", tag("strong", "Not part of it")),
        tag("ul", [tag("li", one) for one in plan.non_goals]),
        headed(("step", "risk", "what", "files"), steps),
        tag("p", tag("strong", "Done when")),
        tag("ul", [tag("li", one.description) for one in plan.acceptance_criteria]),
        join(tag("p", tag("strong", "Answered")), tag("ul", answers)) if answers else NOTHING,
    )


def diff(text: str, *, most: int | None = None) -> Markup:
    """Show a patch, file by file; of a file `most` lines at most, and how many are left out."""
    return join(*(_file(lines, most) for lines in _files(text)))


def _files(text: str) -> Iterator[list[str]]:
    """Cut a patch into files: their header first, or the mark where the middle of the patch was cut out.

    A line ends where git ended it: any other break is a character of the line. What follows the mark is the
    end of a line, which could look like anything.
    """
    lines: list[str] = []
    broken = False
    for line in text.removesuffix("\n").split("\n"):
        if broken:
            broken = False
            continue
        broken = bool(_CUT.fullmatch(line))
        if lines and (broken or line.startswith(_HEADER)):
            yield lines
            lines = []
        lines.append(line.removesuffix("\r"))
    yield lines


def _file(lines: list[str], most: int | None) -> Markup:
    named = lines[0].startswith(_HEADER)
    name = lines[0].removeprefix(_HEADER) if named else f"{lines[0]} and then the rest of a file"
    begins = next((at for at, line in enumerate(lines) if line.startswith("@@")), len(lines)) if named else 1
    classes = ["file"] * begins + [_CLASSES.get(line[:1]) for line in lines[begins:]]
    rows = [join(tag("span", line, class_=kind), "\n") for line, kind in zip(lines, classes, strict=True)]
    left = len(rows[most:]) if most is not None else 0
    more = tag("p", f"{left} more lines of this file are not shown.", class_="cut") if left else NOTHING
    counts = f"+{classes.count('add')} -{classes.count('del')}"
    head = tag("summary", tag("code", name), " ", tag("span", counts, class_="soft"))
    return tag("details", head, tag("pre", rows[:most]), more, open=True)
