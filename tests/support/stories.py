"""A whole run to read afterwards: hostile words in all of it, a failed gate, a held one, a review, a PR."""

from pathlib import Path
from typing import Final

from pev.engine import Engine
from pev.findings import Effect
from pev.models import Role, RunId, Source
from pev.roles.verdict import Judgement
from pev.work import Opinion
from support.engines import AGENT, APPROVE, decide, engine_at
from support.plans import PLAN, plan
from support.repos import UserRepoFixture

HOSTILE: Final = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    "'\"></pre></textarea><form action=https://evil.example.invalid><button>x</button></form>\u202egnp.exe"
)
HOSTILE_FILE: Final = "notes/<img src=x onerror=alert(1)>&amp;.txt"
LONG_FILE: Final = "notes/long.txt"
POLICY: Final = {"pev.toml": 'checks = ["lint"]\n'}
REVIEWER: Final = AGENT.model_copy(update={"role": Role.REVIEWER})


async def whole_run(repo: UserRepoFixture, words: str = HOSTILE) -> RunId:
    """Play a run from its task to a pull request, as the engine records it; `words` stand in all of it."""
    repo.commit("policy", POLICY)
    async with engine_at(repo.path, sandbox="none") as engine:
        return await _play(engine, words)


async def _play(engine: Engine, words: str) -> RunId:
    state = await engine.planning.open_run(AGENT, f"Add slugify {words}")
    steps = [*PLAN["steps"], {"id": "s3", "description": f"Note it {words}", "files_touched": ["notes/"]}]
    await engine.planning.submit(AGENT, state.id, plan(), source=Source.HOST_SUBMITTED)
    await decide(engine, state.id, {"decision": "change", "comment": f"Notes too. {words}"})
    await engine.planning.submit(AGENT, state.id, plan(steps=steps), source=Source.HOST_SUBMITTED)
    await decide(engine, state.id, APPROVE)
    made, _ = await engine.executing.make(AGENT, state.id)
    assert made.worktree is not None
    root = Path(made.worktree.path)
    (root / "notes").mkdir()
    (root / HOSTILE_FILE).write_text(f"{HOSTILE}\n", "utf-8")
    (root / LONG_FILE).write_text("a line\n" * 900, "utf-8")
    slug = root / "src/app/slug.py"
    slug.write_text('"""Slugs."""\n\nimport os\n', "utf-8")
    failed = await engine.verifying.run_gate(AGENT, state.id, wait_s=60)
    assert failed.state.status == "failed", failed.report
    slug.write_text('"""Slugs."""\n\nSEPARATOR = "-"\n', "utf-8")
    held = await engine.verifying.run_gate(AGENT, state.id, wait_s=60)
    assert held.report is not None
    await engine.escalate(AGENT, state.id, f"Held: {words}")
    names = ",".join(one.fingerprint for one in held.report.findings if one.effect is Effect.HOLDS)
    await decide(engine, state.id, {"decision": "allow", "findings": names, "comment": f"Known. {words}"})
    passed = await engine.verifying.run_gate(AGENT, state.id, wait_s=60)
    assert passed.state.status == "passed", passed.report
    assert passed.report is not None
    given = Judgement(verdict=Opinion.ACCEPT, summary=f"Fits the plan. {words}")
    await engine.reviewing.submit(REVIEWER, state.id, passed.report.snapshot, given)
    await engine.shipping.open_pr(AGENT, state.id)
    return state.id
