"""Events as people read them: who did it, and a sentence of what they did.

One line each, harmless on a terminal; whatever shows events to a person takes its words from here. A payload
of another form than its kind has (somebody changed it) is told as that, and is no error.
"""

from collections.abc import Callable
from typing import Any, Final

from pev.events import Actor, Event, Kind
from pev.models import ASSURANCE_OF, Channel
from pev.text import one_line

MAX_TOLD: Final = 300
_SHORT: Final = 120
_Body = dict[str, Any]


def tell(event: Event) -> str:
    """Say what the actor of an event did, in at most MAX_TOLD characters."""
    if event.payload is None:
        return f"{event.kind}: its payload was erased"
    try:
        told = _TOLD[event.kind](event.payload)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return f"{event.kind}: its payload has another form than PEV writes"
    return one_line(told, MAX_TOLD)


def name_actor(actor: Actor) -> str:
    """Name who it was: principal, role, and the program that they came through."""
    host = " ".join(filter(None, (actor.host.name, actor.host.version)))
    through = ", ".join(one_line(one, _SHORT) for one in (host, actor.channel or "") if one)
    who = f"{one_line(actor.principal, _SHORT)} ({actor.role})"
    return f"{who} through {through}" if through else who


def _said(prefix: str, text: Any) -> str:
    return f"{prefix}{one_line(str(text), MAX_TOLD)}" if text else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _called(body: _Body) -> str:
    outcome = body.get("outcome", "ok")
    ended = "" if outcome == "ok" else f", which ended as {outcome}"
    return f"called {body['tool']}{ended}"


def _opened(body: _Body) -> str:
    base = f"{body['base_ref']} at {body['base_commit'][:12]}"
    return f"opened the run in {body['repo_name']}, from {base}: {body['task']}"


def _planned(body: _Body) -> str:
    done = "answered questions, which made" if body["source"] == "person" else "submitted"
    model = _said(", model ", body["model"])
    return f"{done} revision {body['revision']} of the plan ({body['source']}{model}): {body['plan']['goal']}"


def _model_answered(body: _Body) -> str:
    cost = f", {body['tokens']} tokens" if body.get("tokens") else ""
    role = _said(" as the ", body.get("role"))
    return f"took a model's answer{role} ({body['source']}, model {body['model'] or 'not told'}{cost})"


def _decided(body: _Body) -> str:
    one = body["approval"]
    sure = ASSURANCE_OF[Channel(one["channel"])]
    key = f", key {one['signer']['fingerprint']}" if one.get("signer") else ""
    how = f"through {one['channel']} ({sure}{key}), after {one['seconds']:.0f} s"
    allowed = len(body["let_throughs"])
    let = f", and let {_count(allowed, 'finding')} through" if allowed else ""
    who = _said(" as ", one["principal"]) if one.get("signer") else ""
    return f"decided on the {one['boundary']}: {one['verdict']}{who} {how}{let}{_said(': ', one['comment'])}"


def _ran(body: _Body) -> str:
    what = "ran the setup" if body.get("setup") else "ran"
    ended = f"exit {body['code']}" if body["ending"] == "exited" else f"{body['ending']}, code {body['code']}"
    # a setup's event does not say it
    bare = "" if body.get("sandboxed", True) else ", not sandboxed"
    return f"{what} {one_line(' '.join(body['argv']), _SHORT)}: {ended}{bare}"


def _gated(body: _Body) -> str:
    wrong = [f"{one['check']} {one['outcome']}" for one in body["checks"] if one["outcome"] != "PASSED"]
    passed = len(body["checks"]) - len(wrong)
    checks = ", ".join([*wrong, *([f"{passed} passed"] if passed else [])])
    return f"ended the gate: {body['outcome']} ({checks or 'no checks'}){_said('; ', body.get('reason'))}"


def _synced(body: _Body) -> str:
    one = body["pr"]
    return f"saw the pull request {one['state']}{_said(', merged by ', one['merged_by'])} at {one['url']}"


def _tried(body: _Body) -> str:
    trial = body["trial"]
    if not trial["measured"]:
        return f"could not try the held-out tests on the base{_said(': ', trial['reason'])}"
    known = ", ".join(trial["passing"])
    return f"tried the held-out tests on the base{_said(': these pass there too: ', known)}"


def _reviewed(body: _Body) -> str:
    one = body["review"]
    said = f"{one['opinion']} ({_count(len(one['objections']), 'objection')}): {one['summary']}"
    return f"reviewed {one['snapshot'][:12]} as the {one['role']}: {said}"


def _read(body: _Body) -> str:
    if "event" in body:
        return f"{'took a proof of' if body.get('proof') else 'read'} event {body['event']}"
    if "explained" in body:
        one = body["explained"]
        return f"asked why {one['path']}:{one['line']} is there"
    asked = ", ".join(f"{side} {value}" for side, value in body["query"].items() if side not in _PAGING)
    done = f"exported the trail as {body['exported']}" if "exported" in body else "read the trail"
    return f"{done}{_said(': ', asked)}"


_PAGING: Final = ("limit", "cursor", "newest_first")
_TOLD: Final[dict[Kind, Callable[[_Body], str]]] = {
    Kind.TOOL_CALLED: _called,
    Kind.RUN_OPENED: _opened,
    Kind.PLAN_SUBMITTED: _planned,
    Kind.MODEL_ASKED: lambda body: f"asked a model as the {body['role']}",
    Kind.MODEL_ANSWERED: _model_answered,
    Kind.DECISION_ASKED: lambda body: f"put the {body['pending']['boundary']} before a person",
    Kind.DECISION_ANSWERED: _decided,
    Kind.DECISION_REFUSED: lambda body: f"gave an answer that was refused: {body['why']}",
    Kind.WORKTREE_MADE: lambda body: f"made the worktree on {body['worktree']['branch']}",
    Kind.WORKTREE_REMOVED: lambda body: f"removed the worktree{_said(', work kept under ', body['rescue'])}",
    Kind.FILE_WRITTEN: lambda body: f"wrote {body['path']}",
    Kind.COMMAND_RAN: _ran,
    Kind.NETWORK_DENIED: lambda body: (
        f"was refused a connection to {body['host']}:{body['port']}{_said(': ', body.get('reason'))}"
    ),
    Kind.GATE_STARTED: lambda body: f"began gate {body['attempt']} on snapshot {body['snapshot'][:12]}",
    Kind.GATE_FINISHED: _gated,
    Kind.GATE_CANCELLED: lambda body: f"broke the gate off: {body['reason']}",
    Kind.GATE_JUDGED: lambda body: (
        f"judged snapshot {body['snapshot'][:12]} without a run: {body['outcome']}"
        f"{_said('; ', body['reason'])}"
    ),
    Kind.CHECK_RAN: lambda body: f"ran the check {body['check']}: {body['outcome']}",
    Kind.RUN_ESCALATED: lambda body: f"put the run before a person: {body['reason']}",
    Kind.RUN_ABANDONED: lambda body: f"ended the run without a pull request{_said(': ', body['reason'])}",
    Kind.PR_OPENED: lambda body: f"opened the pull request {body['pr']['url']}",
    Kind.PR_SYNCED: _synced,
    Kind.POLICY_TRUSTED: lambda body: f"trusted the policy {body['policy_hash'][:12]} of {body['source']}",
    Kind.ROLE_REFUSED: lambda body: f"asked for what is not theirs, and was refused: {body['asked']}",
    Kind.TESTS_SUBMITTED: lambda body: (
        f"handed in {_count(body['held_out']['tests'], 'held-out test')}"
        f" of {', '.join(body['held_out']['criteria'])}"
    ),
    Kind.TESTS_TRIED: _tried,
    Kind.REVIEW_SUBMITTED: _reviewed,
    Kind.LOOP_STARTED: lambda body: f"began the loop, of {_count(int(body['attempts']), 'attempt')} at most",
    Kind.AUTHOR_STEPPED: lambda body: "took a step of the author's turn",
    Kind.AUTHOR_WORKED: lambda body: f"ended the author's turn{_said(': ', body['said'])}",
    Kind.TRAIL_READ: _read,
    Kind.TRAIL_KEY: lambda body: f"the key {body['vkey']} was {body['change']}",
    Kind.TRAIL_WITNESSED: lambda body: (
        f"had {_count(body['size'], 'event')} cosigned by {', '.join(body['witnesses']) or 'nobody'}"
    ),
    Kind.PAYLOAD_ERASED: lambda body: f"erased {_count(len(body['events']), 'payload')}: {body['reason']}",
    Kind.REPAIRED: lambda body: f"mended what was left behind: {'; '.join(body['done'])}",
}
KINDS: Final = frozenset(_TOLD)
"""The kinds that have a sentence: all."""
