"""The plan: what will be done, what will not, and how one can tell that it is done.

A plan is small enough to be read in thirty seconds, and strict enough that each later step can be held
against it. Its hash is what a person approves.
"""

import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from pev.errors import PlanInvalid
from pev.models import Digest, Line, Model, Text, hash_json

MAX_PLAN_BYTES: Final = 100_000


class Risk(StrEnum):
    """How much harm a step can do if it is wrong."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def check_repo_path(path: str) -> str:
    """Return `path` if it names something inside a repository, in POSIX form and relative.

    A trailing slash names a folder and everything in it. Raises ValueError with the reason otherwise.
    """
    if not path or len(path) > 1_000:
        raise ValueError("a path has 1 to 1000 characters")
    if any(unicodedata.category(char).startswith("C") for char in path):
        raise ValueError(f"path {path!r} holds control or invisible characters")
    if "\\" in path:
        raise ValueError(f"path {path!r} holds a backslash: write it with /")
    pure = PurePosixPath(path)
    if pure.is_absolute():
        raise ValueError(f"path {path!r} is absolute: give it relative to the repository")
    if ".." in pure.parts:
        raise ValueError(f"path {path!r} leaves the repository by ..")
    if any(part.lower() == ".git" for part in pure.parts):
        raise ValueError(f"path {path!r} names git's own directory")
    if str(pure) == ".":
        raise ValueError("a path names a file or folder, not the repository itself")
    return f"{pure}/" if path.endswith("/") else str(pure)


RepoPath = Annotated[str, AfterValidator(check_repo_path)]
StepId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]


class Step(Model):
    """One thing to do, with the files that it may touch."""

    id: StepId
    description: Text
    files_touched: tuple[RepoPath, ...] = Field(min_length=1, max_length=200)
    risk: Risk = Risk.LOW


class Criterion(Model):
    """One way to tell that the goal is reached."""

    id: StepId
    description: Text


class Question(Model):
    """Something that the planner does not know and must not guess."""

    id: StepId
    question: Text
    choices: tuple[Line, ...] = Field(default=(), max_length=12)


class Answer(Model):
    """What a person said to a question of an earlier revision."""

    id: StepId
    question: Text
    answer: Text


class Plan(Model):
    """The artifact that a person approves.

    Ids are unique within their list. `open_questions` stop the run until each has an answer.
    """

    goal: Text
    approach: Text
    non_goals: tuple[Text, ...] = Field(min_length=1, max_length=50)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=50)
    acceptance_criteria: tuple[Criterion, ...] = Field(min_length=1, max_length=50)
    open_questions: tuple[Question, ...] = Field(default=(), max_length=10)
    answers: tuple[Answer, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "Plan":
        for field in ("steps", "acceptance_criteria", "open_questions", "answers"):
            ids = [item.id for item in getattr(self, field)]
            twice = sorted({one for one in ids if ids.count(one) > 1})
            if twice:
                raise ValueError(f"{field}: id {twice[0]!r} is used more than once")
        answered = {item.id for item in self.answers}
        again = sorted(answered & {item.id for item in self.open_questions})
        if again:
            raise ValueError(f"open_questions: {again[0]!r} has already been answered")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Every path that some step may touch, sorted, each once."""
        return tuple(sorted({path for step in self.steps for path in step.files_touched}))

    def covers(self, path: str) -> bool:
        """Say whether a step names `path`, or a folder (with a trailing slash) above it."""
        return any(path == own or (own.endswith("/") and path.startswith(own)) for own in self.files)

    def content_hash(self) -> Digest:
        """Give the hash that an approval binds to."""
        return hash_json(self.model_dump(mode="json"))

    def with_answers(self, given: dict[str, str]) -> "Plan":
        """Return the next revision, in which the open questions named in `given` are answered.

        Raises PlanInvalid if an id is not an open question or an answer is empty.
        """
        known = {item.id: item for item in self.open_questions}
        for key, value in given.items():
            if key not in known:
                raise PlanInvalid(
                    f"question {key!r} is not open", hint=f"Open: {', '.join(known) or 'none'}."
                )
            if not value.strip():
                raise PlanInvalid(f"the answer to {key!r} is empty", hint="Give an answer.")
        new = tuple(
            Answer(id=key, question=known[key].question, answer=value) for key, value in given.items()
        )
        rest = tuple(item for item in self.open_questions if item.id not in given)
        return self.model_copy(update={"open_questions": rest, "answers": (*self.answers, *new)})


def parse_plan(value: Any) -> Plan:
    """Validate a JSON value, or JSON text, as a plan.

    Raises PlanInvalid that names each faulty field, the first ten at most.
    """
    try:
        if isinstance(value, str | bytes):
            if len(value) > MAX_PLAN_BYTES:
                raise PlanInvalid(
                    f"plan has {len(value)} characters, more than {MAX_PLAN_BYTES}",
                    hint="Split the task into smaller runs.",
                )
            return Plan.model_validate_json(value)
        return Plan.model_validate(value)
    except ValidationError as exc:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'plan'}: {fault['msg']}"
            for fault in exc.errors(include_url=False, include_input=False)
        ]
        raise PlanInvalid(
            "plan does not validate: " + "; ".join(faults[:10]),
            hint="Correct the named fields and call submit_plan again.",
        ) from exc


def find_plan(text: str) -> Plan:
    """Find the plan in a model's answer, with or without a fence around it. Raises PlanInvalid."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        raise PlanInvalid("the model's answer holds no JSON object", hint="Answer with one JSON object.")
    return parse_plan(text[begin : end + 1])


def to_markdown(plan: Plan, *, revision: int | None = None) -> str:
    """Render a plan for a person to read."""
    title = f"## Plan (revision {revision})" if revision is not None else "## Plan"
    out = [title, "", f"**Goal.** {plan.goal}", "", f"**Approach.** {plan.approach}"]
    out += ["", "**Not part of it**", *_listed(plan.non_goals)]
    out += ["", "**Steps**", *_listed(plan.steps)]
    out += ["", "**Done when**", *_listed(plan.acceptance_criteria)]
    if plan.open_questions:
        out += ["", "**Open questions**", *_listed(plan.open_questions)]
    if plan.answers:
        out += ["", "**Answered**", *_listed(plan.answers)]
    return "\n".join(out) + "\n"


class Change(Model):
    """One thing in which two plans differ: `before` is None for what is new, `after` for what is gone."""

    name: str
    before: str | None = None
    after: str | None = None


def compare_plans(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Name everything in which `new` differs from `old`, in the order of a plan's fields.

    Lists are compared by the ids of their items, or by the items where they have none; a mere change of
    order in a list is one change of that list.
    """
    out: list[Change] = []
    for field in Plan.model_fields:
        was, now = getattr(old, field), getattr(new, field)
        if was == now:
            continue
        if isinstance(was, str):
            out.append(Change(name=field, before=was, after=now))
            continue
        before, after = ({_id(item): _line(item) for item in items} for items in (was, now))
        names = [*before, *(name for name in after if name not in before)]
        one = _SINGULAR[field]
        changed = [
            Change(
                name=one if name in (before | after).values() else f"{one} {name}",
                before=before.get(name),
                after=after.get(name),
            )
            for name in names
            if before.get(name) != after.get(name)
        ]
        order = [", ".join(_id(item) for item in items) for items in (was, now)]
        out += changed or [Change(name=f"order of {field}", before=order[0], after=order[1])]
    return tuple(out)


_SINGULAR: Final = {
    "non_goals": "non-goal",
    "steps": "step",
    "acceptance_criteria": "criterion",
    "open_questions": "question",
    "answers": "answer",
}


def _id(item: Any) -> str:
    return item if isinstance(item, str) else str(item.id)


def _line(item: Any) -> str:
    """Write an item of a list as it stands in the plan."""
    if isinstance(item, str):
        return item
    if isinstance(item, Step):
        files = ", ".join(f"`{path}`" for path in item.files_touched)
        return f"`{item.id}` ({item.risk} risk) {item.description} [{files}]"
    if isinstance(item, Answer):
        return f"`{item.id}` {item.question} → {item.answer}"
    if isinstance(item, Question):
        choices = f" ({' / '.join(item.choices)})" if item.choices else ""
        return f"`{item.id}` {item.question}{choices}"
    return f"`{item.id}` {item.description}"


def _listed(items: Iterable[Any], mark: str = "-") -> list[str]:
    """Write items as lines of a list; further lines of an item cannot pass for items."""
    return [f"{mark} {_line(item)}".replace("\n", "\n  ") for item in items]


def changes_to_markdown(changes: tuple[Change, ...]) -> str:
    """Render what changed between two plans: what it was begins with -, what it is with +."""
    out: list[str] = []
    for one in changes:
        what = "new" if one.before is None else "gone" if one.after is None else "changed"
        out.append(f"**{one.name}** ({what})")
        out += _listed([] if one.before is None else [one.before])
        out += _listed([] if one.after is None else [one.after], "+")
    return "\n".join(out) + "\n"
