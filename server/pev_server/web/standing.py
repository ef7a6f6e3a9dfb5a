"""The proof state on a page: what was measured, up to where, and when; never more."""

from typing import Final

from pev.trail.merkle import TreeHead
from pev.trail.monitor import Standing
from pev_server.web.markup import Markup, tag
from pev_server.web.parts import NOTHING, moment

_FAULTS: Final = 10
_NOT_YOURS: Final = (
    "Whether the record is intact, and its events, are for those who hold pev:audit; this login does not."
)
_LATER: Final = "Whether it was longer before this page was begun, only a longer checkpoint tells."
_NO_CHECKPOINT: Final = (
    "What was before that, only a checkpoint kept elsewhere tells: `pev trail checkpoint` makes one, and"
    " `pev trail --open --checkpoint FILE` holds the record against it."
)


def standing_section(found: Standing | None, size: int | None) -> Markup:
    """Show the proof state, or to whom it is shown; `size` is how many events the log has now."""
    if found is None:
        return tag("section", tag("p", _NOT_YOURS), class_="standing")
    measured = found.verified is not None and not found.failure
    kind = "broken" if found.faults else "sound" if measured else "unknown"
    shown = [tag("li", str(one)) for one in found.faults[:_FAULTS]]
    left = found.fault_count - len(shown)
    return tag(
        "section",
        tag("h2", "The record: ", tag("span", found.claim, class_="claim")),
        tag("ul", shown, tag("li", f"and {left} more") if left > 0 else NOTHING) if shown else NOTHING,
        [tag("p", line, class_="facts") for line in _measured(found, size)],
        class_=f"standing {kind}",
    )


def _measured(found: Standing, size: int | None) -> list[str]:
    """Say what was measured when, in sentences."""
    verified = found.verified
    lines = []
    if found.faults:
        lines.append(f"Seen at {moment(found.at)} UTC. `pev trail verify` names every fault.")
    elif verified is not None:
        lines.append(f"{_reach(verified)} at {moment(found.at)} UTC; {_whole(found)}")
    if found.faults and verified is not None:
        lines.append(f"Before that: {_reach(verified).lower()}; {_whole(found)}")
    new = (size or 0) - (verified.size if verified is not None else 0)
    if new > 0 and not found.faults:
        lines.append(f"{new} newer events are not verified yet: load the page again.")
    if found.failure:
        lines.append(f"The newest look measured nothing: {found.failure}.")
    if verified is not None and not found.faults and not found.failure:
        lines += _roll_back(found)
    return lines


def _reach(verified: TreeHead) -> str:
    return f"Verified up to event {verified.size - 1}" if verified.size else "Verified, without any event"


def _whole(found: Standing) -> str:
    return f"the whole record was last read at {moment(found.read_at)} ({found.read} events)."


def _roll_back(found: Standing) -> list[str]:
    lines = []
    if found.since is not None:
        began = f"{moment(found.since_at)} UTC, when it had {found.since.size} events"
        lines.append(f"Nothing that was verified was taken back since {began}.")
    kept = [f"{one.head.size} events, kept by {one.by}" for one in found.anchors]
    if kept:
        lines.append(f"Checkpoints that it extends: {'; '.join(kept)}. {_LATER}")
    else:
        lines.append(_NO_CHECKPOINT)
    return lines
