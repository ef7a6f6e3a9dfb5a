"""Writers that are killed at any instant lose nothing that was acknowledged, and leave nothing by half."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def kill(tmp_path: Path, count: int, seed: int) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "support.kill_driver", str(tmp_path / "trail.sqlite3"), str(count), str(seed)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'tests'}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3_000,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_writers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    found = kill(tmp_path, 40, seed=1)

    assert found["faults"] == []
    assert found["appended"] > 0, "some writers came as far as an append"


@pytest.mark.slow
def test_a_thousand_writers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    found = kill(tmp_path, 1_000, seed=2)

    assert found["faults"] == []
    assert found["appended"] > 500
