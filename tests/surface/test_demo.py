"""The demo: the whole story on a sample, and on a repository of the user's with the person at a terminal."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support.cli import Answer, on_terminal
from support.repos import UserRepoFixture

ROOT: Final = Path(__file__).resolve().parents[2]
DEMO: Final = [sys.executable, str(ROOT / "scripts/demo.py")]
pytestmark = [pytest.mark.needs_host, pytest.mark.needs_index]
SLUG = '"""Addresses."""\n\n\ndef slugify(text: str) -> str:\n    return "-".join(text.lower().split())\n'
TESTS = 'from app.slug import slugify\n\n\ndef test_c1() -> None:\n    assert slugify("A  b") == "a-b"\n'


def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    done = subprocess.run(DEMO, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = ("1. task", "2. plan", "approve", "3. execute", "F401", "FAILED", "5. the findings", "PASSED")
    at = 0
    for step in (*steps, "6. ship", "7. the trail", "consistent"):
        found = done.stdout.find(step, at)
        assert found >= 0, f"{step!r} is missing after {done.stdout[:at][-200:]!r}"
        at = found


def test_a_users_repository_gets_one_branch_and_nothing_else(user_repo: UserRepoFixture) -> None:
    user_repo.write({"notes.txt": "uncommitted work of the user\n"})
    before = (user_repo.git("status", "--porcelain"), user_repo.git("rev-parse", "HEAD"))

    def make_the_change(screen: str) -> str:
        place = re.search(r"(/\S+/worktrees/[0-9a-f]{8}/\S+)", screen)
        assert place is not None, screen
        worktree = UserRepoFixture(Path(place.group(1)))
        worktree.write({"src/app/slug.py": SLUG, "tests/test_slug.py": TESTS})
        return ""

    answers: dict[str, Answer] = {
        r"Which files or folders": "src/ tests/",
        r"How will you know": "slugify('A b') is 'a-b'",
        r"How, in one sentence": "A pure function",
        r"What is not part": "Transliteration",
        r"Type ([0-9a-f]{6}) to confirm": r"\1",
        r"Type ([0-9a-f]{6}) to trust": r"\1",
        r"Press Enter": make_the_change,
    }
    argv = [*DEMO, "--repo", str(user_repo.path), "--task", "Add slugify"]
    ended = on_terminal(argv, cwd=user_repo.path, answers=answers, limit_s=240)
    assert ended.code == 0, ended.out
    assert (user_repo.git("status", "--porcelain"), user_repo.git("rev-parse", "HEAD")) == before
    branches = user_repo.git("branch", "--format=%(refname:short)").split()
    assert len(branches) == 2
    (branch,) = [name for name in branches if name.startswith("agent/")]
    assert user_repo.git("show", f"{branch}:src/app/slug.py") == SLUG.strip()
    assert "notes.txt" not in user_repo.git("ls-tree", "-r", "--name-only", branch)
