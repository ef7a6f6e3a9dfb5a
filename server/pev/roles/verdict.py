"""A reviewer's structured verdict: found in an answer, and checked against the change that it is about.

A rejection gives at least one objection, and each objection points at a line that the change wrote, or that
stands beside one.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import Field, ValidationError, field_validator

from pev.errors import ReviewInvalid
from pev.models import Model, Text
from pev.repos.objects import Change, Status
from pev.text import one_line
from pev.work import Objection, Opinion

_BESIDE: Final = 3
_AGAIN: Final = "Answer again with one JSON object that fits the schema, about this change."


class Judgement(Model):
    """What a reviewer says of a change, in which order and at which lines."""

    verdict: Opinion
    summary: Text = Field(max_length=2_000)
    objections: tuple[Objection, ...] = Field(default=(), max_length=50)

    @field_validator("summary")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return one_line(text, 2_000)


def verdict_schema() -> str:
    """Give the JSON schema of a verdict, compactly."""
    return json.dumps(Judgement.model_json_schema(), separators=(",", ":"))


def parse_judgement(value: Any) -> Judgement:
    """Validate a verdict. Raises ReviewInvalid that names each faulty field, the first ten at most."""
    try:
        return Judgement.model_validate(value)
    except ValidationError as exc:
        faults = [
            f"{'.'.join(map(str, one['loc'])) or 'verdict'}: {one['msg']}"
            for one in exc.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise ReviewInvalid("; ".join(faults[:10]), hint=_AGAIN) from exc


def find_judgement(text: str) -> Judgement:
    """Find the verdict in a model's answer, with or without a fence around it. Raises ReviewInvalid."""
    begin, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[begin : end + 1]) if 0 <= begin < end else None
    except (ValueError, RecursionError):
        value = None
    if value is None:
        raise ReviewInvalid("the reviewer's answer holds no JSON object", hint=_AGAIN)
    return parse_judgement(value)


def check_judgement(given: Judgement, changes: Sequence[Change], lines: Mapping[str, frozenset[int]]) -> None:
    """Hold a verdict against the change. Raises ReviewInvalid that names what does not fit."""
    if given.verdict is Opinion.REJECT and not given.objections:
        raise ReviewInvalid("a rejection without an objection", hint=_AGAIN)
    changed = {one.path: one for one in changes}
    changed |= {one.old_path: one for one in changes if one.status is Status.DELETED}
    faults = []
    for one in given.objections:
        change = changed.get(one.path)
        if change is None:
            faults.append(f"{one.path} is not changed")
        elif (wrote := lines.get(one.path)) and change.status is not Status.DELETED:
            if one.line is None:
                faults.append(f"{one.path}: no line is named")
            elif min(abs(one.line - line) for line in wrote) > _BESIDE:
                faults.append(f"{one.path}:{one.line} is no line of the change")
    if faults:
        raise ReviewInvalid("; ".join(one_line(fault, 200) for fault in faults[:10]), hint=_AGAIN)
