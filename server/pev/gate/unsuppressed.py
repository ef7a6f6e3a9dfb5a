"""Runs a check without some of the suppressions of a side, to see what they keep back."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pev.gate.demands import Language
from pev.gate.interface import Check, CheckJob, Measured
from pev.gate.outputs import private_name
from pev.gate.suppressions import Suppression, without
from pev.gate.syntax import parse
from pev.gate.types import Types
from pev.models import digest_of


def wanting(job: CheckJob, tools: Mapping[str, type[Check]]) -> Iterator[tuple[str, CheckJob, Check]]:
    """Give a job for each check that a Python project wants, with the kind of suppression it obeys."""
    for project in job.policy.projects:
        if project.language is not Language.PYTHON:
            continue
        for kind, check in tools.items():
            if job.policy.wants(project, check.name):
                yield kind, replace(job, project=project), check()


async def look_without(
    job: CheckJob, check: Check, some: Mapping[str, Sequence[Suppression]], texts: Mapping[str, str]
) -> Measured:
    """Run a check on the job's side without `some` of the suppressions of its files; `texts` hold those."""
    bare = {path: without(texts[path], every).encode("utf-8", "replace") for path, every in some.items()}
    which = digest_of(b"\0".join(bare[path] for path in sorted(bare)))
    name = private_name(f"unsuppressed-{check.name}-{which[:12]}", job.root)
    checkout = await job.bench.checkout(job.side, private=name, replaced=bare)
    own = replace(job, settings=job.policy.settings(check.name))
    paths = tuple(f"./{PurePosixPath(path).relative_to(job.root)}" for path in some)
    return await check.look(own, checkout, own.settings.paths if isinstance(check, Types) else paths)


def reach(one: Suppression, text: str) -> range:
    """Give the lines that a suppression may speak for: its statement's, or all where it stands alone."""
    whole = range(len(text.splitlines()) + 2)
    tree = parse(text)
    if tree is None or one.code.startswith("#"):
        return whole
    best = range(one.line, one.line + 1)
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        first = min([node.lineno, *(own.lineno for own in getattr(node, "decorator_list", []))])
        last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or node.lineno
        if first <= one.line <= max(last, node.lineno):
            best = range(min(first, best.start), max(last + 1, best.stop))
    return best
