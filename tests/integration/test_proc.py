"""Processes: they end with their whole group, within their limits, whatever they do."""

import os
import signal
import sys
import time
from pathlib import Path

import anyio
import pytest

from pev import proc
from pev.errors import ToolMissing
from pev.proc import Ending

pytestmark = pytest.mark.needs_host


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


async def _gone(pid: int) -> bool:
    with anyio.move_on_after(5):
        while _alive(pid):
            await anyio.sleep(0.01)
    return not _alive(pid)


async def _python(code: str, folder: Path, **options: float) -> proc.Completed:
    limits = {"limit_s": 20.0, **options}
    return await proc.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=proc.base_env(),
        limit_s=limits["limit_s"],
        output_bytes=int(limits.get("output_bytes", 2**20)),
    )


async def test_a_program_that_fails_is_a_result(tmp_path: Path) -> None:
    done = await _python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path)
    assert (done.code, done.ending, done.stdout, done.stderr) == (3, Ending.EXITED, b"out\n", b"err\n")
    assert not done.ok


async def test_a_signal_is_told_from_an_exit(tmp_path: Path) -> None:
    done = await _python("import os; os.kill(os.getpid(), 9)", tmp_path)
    assert done.ending is Ending.SIGNALLED
    assert done.code == -9


async def test_the_environment_is_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "secret")
    done = await _python("import os; print('GH_TOKEN' in os.environ)", tmp_path)
    assert done.stdout == b"False\n"


async def test_standard_input_is_empty_unless_given(tmp_path: Path) -> None:
    done = await _python("import sys; print(repr(sys.stdin.read()))", tmp_path)
    assert done.stdout == b"''\n"


async def test_past_its_limit_the_whole_group_is_gone(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    done = await _python(code, tmp_path, limit_s=1.0)
    assert done.ending is Ending.TIMED_OUT
    assert await _gone(int(done.stdout))


async def test_a_child_left_behind_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
    )
    done = await _python(code, tmp_path)
    assert done.ok
    assert await _gone(int(done.stdout))


async def test_a_child_of_another_session_does_not_hold_the_caller_up(tmp_path: Path) -> None:
    """It keeps the pipe open; whoever waits for the end of the pipe waits for ever."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],\n"
        "                         start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
    )
    with anyio.fail_after(10):
        done = await _python(code, tmp_path)
    pid = int(done.stdout)
    os.kill(pid, 9)
    assert await _gone(pid)


async def test_cancelling_the_caller_ends_the_process(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with anyio.move_on_after(20) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(_python, code, tmp_path)
            while not (mark.exists() and mark.read_text(encoding="utf-8")):
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
    assert not scope.cancelled_caught
    assert await _gone(int(mark.read_text(encoding="utf-8")))


async def test_a_flood_of_output_keeps_head_and_tail(tmp_path: Path) -> None:
    code = (
        "import sys; sys.stdout.write('HEAD'); sys.stdout.write('x' * 30_000_000); sys.stdout.write('TAIL')"
    )
    done = await _python(code, tmp_path, output_bytes=100_000)
    assert done.stdout.startswith(b"HEAD")
    assert done.stdout.endswith(b"TAIL")
    assert len(done.stdout) < 101_000
    assert done.cut_bytes == 30_000_008 - 100_000
    assert b"bytes cut out" in done.stdout


async def test_a_program_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        await proc.run(["no-such-program"], cwd=tmp_path, env={}, limit_s=5)


async def test_a_time_limit_counts_wall_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    done = await _python("import time; time.sleep(600)", tmp_path, limit_s=0.5)
    assert 0.5 <= done.seconds <= time.monotonic() - begun


async def test_what_runs_beside_a_program_ends_with_it_and_ends_it(tmp_path: Path) -> None:
    """A watcher must not outlive what it watches, and says by returning that it has seen enough."""
    watched: list[str] = []

    async def for_ever(pid: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            watched.append(f"over {pid > 0}")

    async def not_at_all(_pid: int) -> None:
        return

    done = await proc.run(["true"], cwd=tmp_path, env=proc.base_env(), limit_s=20, beside=for_ever)
    assert (done.code, watched) == (0, ["over True"])
    done = await proc.run(["sleep", "60"], cwd=tmp_path, env=proc.base_env(), limit_s=20, beside=not_at_all)
    assert (done.code, done.ending) == (-signal.SIGKILL, Ending.SIGNALLED)
    done = await proc.run(["sleep", "60"], cwd=tmp_path, env=proc.base_env(), limit_s=0.1, beside=for_ever)
    assert (done.ending, len(watched)) == (Ending.TIMED_OUT, 2)
