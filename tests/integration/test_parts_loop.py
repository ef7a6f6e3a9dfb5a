"""Runs in a repository with a sub-module and an LFS file: what the gate judges is what the branch carries."""

from pathlib import Path

import pytest

from pev.errors import RepoUnusable
from pev.findings import GateReport, Outcome
from pev.models import ObjectId
from pev.run import RunState, Status
from support.depots import git_in
from support.engines import AGENT, PERSON, approved, engine_at, trusted
from support.parts import RULE, add_submodule, library, pointer_to, store_object
from support.plans import plan
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host
CONTENT = b"7\n" * 1_000
LEAVE = {"allow_submodules": True, "allow_lfs": True}
READING = """\
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_submodule_is_there() -> None:
    assert (ROOT / "vendor/lib/deep/data.txt").read_text() == "data\\n"


def test_the_large_file_is_there() -> None:
    assert (ROOT / "model.bin").stat().st_size == 2_000
"""
SLUG = '"""Addresses."""\n\n\ndef slugify(text: str) -> str:\n    return "-".join(text.lower().split())\n'
TESTS = (
    "from app.slug import slugify\n\n\n"
    'def test_c1_words_are_joined() -> None:\n    assert slugify("A  b") == "a-b"\n'
)


@pytest.fixture
def lib(tmp_path: Path) -> UserRepoFixture:
    """The repository that is a sub-module."""
    return library(tmp_path / "lib")


@pytest.fixture
def whole(user_repo: UserRepoFixture, lib: UserRepoFixture) -> UserRepoFixture:
    """A project whose tests read a file of a sub-module, and a large one."""
    add_submodule(user_repo, lib, "vendor/lib")
    store_object(user_repo.path / ".git", CONTENT)
    files = {".gitattributes": RULE, "model.bin": pointer_to(CONTENT), "tests/test_parts.py": READING}
    user_repo.commit("parts", {**files, "pev.toml": 'checks = ["lint", "tests"]\n'})
    return user_repo


async def test_a_run_passes_and_its_branch_carries_link_and_pointer(whole: UserRepoFixture) -> None:
    async with engine_at(whole.path, **LEAVE) as engine:
        await trusted(engine)
        state = await approved(engine, plan())
        state, _ = await engine.executing.make(AGENT, state.id)
        await engine.executing.write(AGENT, state.id, "src/app/slug.py", SLUG)
        await engine.executing.write(AGENT, state.id, "tests/test_slug.py", TESTS)
        judged = await engine.verifying.run_gate(AGENT, state.id, wait_s=240)
        assert judged.report is not None
        assert judged.state.status is Status.PASSED, judged.report.model_dump_json(indent=1)
        shipped, _ = await engine.shipping.open_pr(AGENT, state.id)
    branch = f"agent/{shipped.id}"
    assert whole.git("rev-parse", f"{branch}^{{tree}}") == judged.report.snapshot
    for path in ("vendor/lib", "model.bin", ".gitmodules"):
        assert whole.git("rev-parse", f"{branch}:{path}") == whole.git("rev-parse", f"main:{path}")
    assert set(whole.git("diff", "--name-only", f"main..{branch}").splitlines()) == {
        "src/app/slug.py",
        "tests/test_slug.py",
    }


async def test_without_leave_no_worktree_is_made(whole: UserRepoFixture) -> None:
    async with engine_at(whole.path) as engine:
        state: RunState = await approved(engine, plan())
        with pytest.raises(RepoUnusable, match="sub-module at 'vendor/lib'"):
            await engine.executing.make(AGENT, state.id)


async def _judged(whole: UserRepoFixture, commit: str) -> GateReport:
    async with engine_at(whole.path, **LEAVE) as engine:
        return await engine.verifying.judge_path(PERSON, repo=None, base="main", commit=commit, trusted=True)


async def test_a_moved_submodule_is_not_accepted(whole: UserRepoFixture, lib: UserRepoFixture) -> None:
    """Its new content is another repository's, which nobody reviews here."""
    newer = lib.commit("newer", {"lib.py": "VALUE = 8\n"})
    git_in(whole.path / "vendor" / "lib", "fetch", "-q", str(lib.path))
    whole.git("checkout", "-q", "-b", "task")
    whole.git("update-index", "--cacheinfo", f"160000,{newer},vendor/lib")
    whole.git("commit", "-q", "-m", "move")
    report = await _judged(whole, "task")
    assert report.outcome is not Outcome.PASSED
    assert "vendor/lib" in {one.path for one in report.findings if one.counts()}


async def test_a_new_submodule_is_not_accepted(whole: UserRepoFixture, tmp_path: Path) -> None:
    """Neither one that is on this disk nor one that is not."""
    whole.git("checkout", "-q", "-b", "task")
    add_submodule(whole, library(tmp_path / "more"), "more")
    report = await _judged(whole, "task")
    assert report.outcome is not Outcome.PASSED
    assert "more" in {one.path for one in report.findings if one.counts()}
    whole.git("update-index", "--add", "--cacheinfo", f"160000,{ObjectId('1' * 40)},gone")
    whole.git("commit", "-q", "-m", "gone")
    report = await _judged(whole, "task")
    assert report.outcome is not Outcome.PASSED
    assert "gone" in {one.path for one in report.findings if one.counts()}
