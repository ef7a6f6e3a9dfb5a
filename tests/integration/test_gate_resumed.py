"""A loop that is killed goes on from the trail: every phase again, and nothing done twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from pev.events import Kind
from pev.models import RunId, run_stream
from pev.run import Status
from support.engines import AGENT, APPROVE, decide, engine_at
from support.loops import POLICY, RIGHT
from support.repos import UserRepoFixture

DRIVER: Final = Path(__file__).resolve().parents[1] / "support" / "loop_driver.py"
POINTS: Final = (
    "planner-0",
    "worktree",
    "tester-0",
    "author-0",
    "author-1",
    "gate",
    "reviewer-0",
    "ship",
)
ONCE: Final = (
    Kind.RUN_OPENED,
    Kind.PLAN_SUBMITTED,
    Kind.WORKTREE_MADE,
    Kind.TESTS_SUBMITTED,
    Kind.FILE_WRITTEN,
    Kind.COMMAND_RAN,
    Kind.AUTHOR_WORKED,
    Kind.GATE_FINISHED,
    Kind.REVIEW_SUBMITTED,
    Kind.PR_OPENED,
)


def _drive(repo: UserRepoFixture, log: Path, run_id: str, kill_at: str) -> int:
    """Run the driver to its end, and give how it ended."""
    env = {**os.environ, "PYTHONPATH": str(DRIVER.parents[1])}
    argv = [sys.executable, str(DRIVER), str(log), run_id, kill_at]
    done = subprocess.run(argv, cwd=repo.path, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-3_000:]
    return done.returncode


@pytest.mark.parametrize(
    "kill_at", ["tool", *(pytest.param(point, marks=pytest.mark.slow) for point in POINTS)]
)
async def test_a_killed_loop_goes_on_and_does_nothing_twice(
    kill_at: str, user_repo: UserRepoFixture, tmp_path: Path
) -> None:
    user_repo.commit("policy", {"pev.toml": POLICY})
    log = tmp_path / "said"
    async with engine_at(user_repo.path) as engine:
        run_id = (await engine.planning.open_run(AGENT, "Add slugify")).id
    ended = [_drive(user_repo, log, run_id, kill_at)]
    if ended[-1] != 0:
        ended.append(_drive(user_repo, log, run_id, kill_at))
    async with engine_at(user_repo.path) as engine:
        await decide(engine, RunId(run_id), APPROVE)
    ended.append(_drive(user_repo, log, run_id, kill_at))
    if ended[-1] != 0:
        ended.append(_drive(user_repo, log, run_id, kill_at))
    async with engine_at(user_repo.path) as engine:
        state = await engine.core.state(run_id)
        kinds = Counter(one.kind for one in engine.core.trail.read(run_stream(run_id)))
        verified = engine.core.trail.verify()
    assert sorted(ended) == [-signal.SIGKILL, 0, 0]
    assert state.status is Status.PR_OPEN
    assert {kind: kinds[kind] for kind in ONCE} == dict.fromkeys(ONCE, 1)
    said = Counter(log.read_text(encoding="utf-8").splitlines())
    assert said == {"planner": 1, "tester": 1, "author": 2, "reviewer": 1}
    assert kinds[Kind.MODEL_ANSWERED] == said.total() == state.work.spent.calls
    assert user_repo.git("rev-list", "--count", f"main..agent/{run_id}") == "1"
    assert user_repo.git("show", f"agent/{run_id}:src/app/slug.py") == RIGHT.strip()
    assert verified.intact
