"""Limits of a confined command, and that nothing of it is left, however it ends."""

import os
import shutil
import signal
import time
from pathlib import Path

import anyio
import pytest

from pev import proc
from pev.sandbox.bubblewrap import Bubblewrap
from pev.sandbox.cgroup import Nursery
from pev.sandbox.interface import Command
from support.confined import NOBODY, PLACES, Place, bwrap, interpreter, make_place, python_folders
from support.gates import leftover_processes

pytestmark = pytest.mark.needs_host


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A sandbox of each mechanism, as this user and as an ordinary one."""
    return make_place(request.param[0], request.param[1], tmp_path)


def _mark(place: Place) -> str:
    return f"mark-{place.mechanism}-{place.user}-{os.getpid()}-{time.monotonic_ns()}"


def _wait_until_gone(mark: str) -> list[int]:
    end = time.monotonic() + 10
    while leftover_processes(mark) and time.monotonic() < end:
        time.sleep(0.01)
    return leftover_processes(mark)


def _stubborn(mark: str) -> str:
    """A program that leaves its group, its session and its parent, ignores signals, and stays."""
    return (
        "import os, signal, time\n"
        "for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(one, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execv('/bin/sleep', ['{mark}', '600'])\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "open('ready', 'w').close()\n"
    )


def test_what_a_command_leaves_behind_is_gone_when_it_ends(place: Place) -> None:
    mark = _mark(place)
    done = place.python(_stubborn(mark))
    assert done.code == 0, done
    assert leftover_processes(mark) == []


def test_past_its_time_everything_is_gone(place: Place) -> None:
    mark = _mark(place)
    done = place.python(_stubborn(mark) + "time.sleep(600)", limit_s=1.0)
    assert done.ending == "timed-out"
    assert done.seconds < 10
    assert leftover_processes(mark) == []


def test_a_killed_server_leaves_no_process(place: Place) -> None:
    mark = _mark(place)
    code = _stubborn(mark) + "time.sleep(600)"
    server = place.start(*_python(place, code), readable=_readable(place), limit_s=60.0)
    try:
        end = time.monotonic() + 20
        while not (place.folder / "ready").exists():
            assert time.monotonic() < end, server.communicate(timeout=1)
            time.sleep(0.01)
        assert leftover_processes(mark)
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.communicate()
    assert _wait_until_gone(mark) == []


@pytest.mark.parametrize("user", ["self", "nobody"])
def test_the_temporary_files_of_a_killed_server_are_swept_by_the_next(tmp_path: Path, user: str) -> None:
    """And those of a command that runs are not, even while another one starts."""
    place = make_place("landlock", user, tmp_path)
    private = place.outside / "commands"
    code = "import os, time; open(os.environ['TMPDIR'] + '/x', 'w'); open('ready', 'w'); time.sleep(60)"
    server = place.start(*_python(place, code), readable=_readable(place), private=str(private))
    try:
        end = time.monotonic() + 20
        while not (place.folder / "ready").exists():
            assert time.monotonic() < end, server.communicate(timeout=1)
            time.sleep(0.01)
        left = list(private.glob("*/tmp/x"))
        assert len(left) == 1
        assert place.run("/bin/true", private=str(private)).code == 0
        assert list(private.glob("*/tmp/x")) == left
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.communicate()
    assert list(private.glob("*/tmp/x")) == left
    assert place.run("/bin/true", private=str(private)).code == 0
    assert list(private.iterdir()) == []


def _python(place: Place, code: str) -> list[str]:
    return [interpreter(place.user), "-I", "-S", "-B", "-c", code]


def _readable(place: Place) -> list[str]:
    return python_folders(interpreter(place.user))


async def test_a_cancelled_caller_leaves_no_process(tmp_path: Path) -> None:
    mark = f"mark-cancel-{os.getpid()}"
    sandbox = Bubblewrap(bwrap())
    command = Command(
        argv=("/bin/sh", "-c", f"touch ready; setsid sh -c 'sleep 600 # {mark}' & sleep 600"),
        cwd=tmp_path,
        env=proc.base_env(),
        limit_s=60,
        writable=(tmp_path,),
    )
    async with anyio.create_task_group() as group:
        group.start_soon(sandbox.run, command)
        with anyio.fail_after(20):
            while not (tmp_path / "ready").exists():
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert leftover_processes(mark) == []


@pytest.mark.parametrize("delay_s", [0.0, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.02])
async def test_cancelling_at_any_moment_of_the_start_leaves_nothing(tmp_path: Path, delay_s: float) -> None:
    """bubblewrap alone does: until it has bound itself to its parent's life, killing it frees the command."""
    mark = f"mark-start-{os.getpid()}-{time.monotonic_ns()}"
    sandbox = Bubblewrap(bwrap())
    command = Command(
        argv=("/bin/sleep", "600", mark), cwd=tmp_path, env=proc.base_env(), limit_s=60, writable=(tmp_path,)
    )
    for _ in range(5):
        with anyio.move_on_after(delay_s):
            await sandbox.run(command)
    assert _wait_until_gone(mark) == []


@pytest.mark.parametrize("delay_s", [0.0, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012])
def test_a_server_that_is_killed_while_a_command_starts_leaves_nothing(
    tmp_path: Path, delay_s: float
) -> None:
    place = make_place("bubblewrap", "self", tmp_path)
    mark = _mark(place)
    server = place.start(
        *_python(place, f"import time; time.sleep(600)  # {mark}"), readable=_readable(place)
    )
    try:
        end = time.monotonic() + 20
        while len(leftover_processes(mark)) < 2:  # the server itself, and bubblewrap
            assert time.monotonic() < end, server.communicate(timeout=1)
        time.sleep(delay_s)
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.communicate()
    # in one instant bubblewrap cannot end itself, and the next server does that
    assert place.run("/bin/true").code == 0
    assert _wait_until_gone(mark) == []


async def test_descriptors_do_not_leak(tmp_path: Path) -> None:
    """Neither to the command, which would see the server's files, nor in the server."""
    sandbox = Bubblewrap(bwrap())
    command = Command(
        argv=("/bin/ls", "/proc/self/fd"), cwd=tmp_path, env=proc.base_env(), limit_s=20, writable=(tmp_path,)
    )
    with (tmp_path / "secret").open("wb") as secret:
        os.set_inheritable(secret.fileno(), True)
        await sandbox.run(command)
        before = sorted(Path("/proc/self/fd").iterdir())
        done = await sandbox.run(command)
        after = sorted(Path("/proc/self/fd").iterdir())
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]
    assert before == after


def test_memory_is_bounded(place: Place) -> None:
    place.limits = {"memory_bytes": 100 * 2**20}
    done = place.python("x = bytearray(400 * 2**20); print(len(x))")
    assert not done.stdout
    assert done.code != 0


def test_a_fork_bomb_stays_small(place: Place) -> None:
    """Root is not counted by the kernel: a control group does it, where one can be made."""
    place.limits = {"processes": 30}
    done = place.python(
        "import os, time\n"
        "count = 0\n"
        "try:\n"
        "    for _ in range(200):\n"
        "        if os.fork() == 0: time.sleep(60); os._exit(0)\n"
        "        count += 1\n"
        "except OSError: pass\n"
        "print(count)"
    )
    counted = place.user == "nobody" or os.getuid() != 0
    nursery = Nursery.find()
    if not counted and (nursery is None or not nursery.counts_processes):
        pytest.skip(
            "as root the number of processes is bounded only by a control group, and none can be made"
        )
    # Landlock leaves the counting to the user's total, where other commands that end make room
    most = 60 if place.mechanism == "landlock" else 30
    assert 0 < int(done.stdout) <= most, done


def test_without_control_groups_an_ordinary_user_is_still_bounded(tmp_path: Path) -> None:
    place = make_place("bubblewrap", "nobody" if os.getuid() == 0 else "self", tmp_path)
    place.cgroups, place.limits = False, {"processes": 20, "memory_bytes": 100 * 2**20}
    forks = place.python(
        "import os, time\n"
        "count = 0\n"
        "try:\n"
        "    while count < 100:\n"
        "        if os.fork() == 0: time.sleep(60); os._exit(0)\n"
        "        count += 1\n"
        "except OSError: pass\n"
        "print(count)"
    )
    assert 0 < int(forks.stdout) <= 20
    assert place.python("x = bytearray(400 * 2**20); print(len(x))").code != 0


@pytest.fixture
def uncounted(place: Place) -> Place:
    """The same places, where no control group can be made."""
    place.cgroups = False
    return place


@pytest.mark.parametrize("kind", ["private", "shared", "memory file"])
def test_memory_of_all_together_is_bounded_without_control_groups(uncounted: Place, kind: str) -> None:
    """Each process stays below the limit of one, and they hold it until somebody ends them."""
    uncounted.limits = {"memory_bytes": 200 * 2**20}
    take = {
        "private": "x = bytearray(os.urandom(2**20)) * 80",
        "shared": "x = mmap.mmap(-1, 80 * 2**20); x.write(b'x' * (80 * 2**20))",
        "memory file": "f = os.memfd_create('x'); os.write(f, b'x' * (80 * 2**20))",
    }[kind]
    done = uncounted.python(
        f"import mmap, os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        {take}\n"
        "        time.sleep(60)\ntime.sleep(60)"
    )
    assert (done.code, done.ending) == (-signal.SIGKILL, "signalled"), done
    assert "of memory together, 200 MiB are allowed (max_memory_bytes)" in done.stderr
    assert done.seconds < 25


def test_memory_that_is_shared_counts_once_without_control_groups(uncounted: Place) -> None:
    """Ten processes that share 60 MiB take no 600."""
    uncounted.limits = {"memory_bytes": 200 * 2**20}
    done = uncounted.python(
        "import os, time\n"
        "x = bytearray(os.urandom(2**20)) * 60\n"
        "pids = [os.fork() or (x[::4096], time.sleep(0.5), os._exit(0)) for _ in range(10)]\n"
        "print(sum(os.waitpid(pid, 0)[1] for pid in pids))"
    )
    assert (done.code, done.stdout) == (0, "0\n"), done


@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock"])
def test_without_control_groups_a_fork_bomb_of_root_is_ended(tmp_path: Path, mechanism: str) -> None:
    """The kernel does not count root's processes; somebody must."""
    if os.getuid() != 0:
        pytest.skip("the processes of others are counted by the kernel")
    place = make_place(mechanism, "self", tmp_path)
    place.cgroups, place.limits = False, {"processes": 30}
    done = place.python(
        "import os, threading, time\n"
        "for _ in range(50): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "time.sleep(60)"
    )
    assert (done.code, done.ending) == (-signal.SIGKILL, "signalled"), done
    assert "30 are allowed (max_processes)" in done.stderr


def test_a_file_cannot_grow_past_its_bound(place: Place) -> None:
    place.limits = {"file_bytes": 2**20}
    place.run("/bin/sh", "-c", "head -c 5000000 /dev/zero > big")
    assert (place.folder / "big").stat().st_size <= 2**20


def test_processor_time_is_bounded(place: Place) -> None:
    place.limits = {"cpu_s": 1}
    done = place.python("while True: pass", limit_s=30.0)
    assert (done.ending, done.code) == ("signalled", -signal.SIGKILL) or done.code == -signal.SIGXCPU, done
    assert done.seconds < 25


def test_open_files_are_bounded_and_no_core_is_written(place: Place) -> None:
    place.limits = {"open_files": 64}
    done = place.python(
        "import os, resource\n"
        "kinds = (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)\n"
        "print(*[resource.getrlimit(kind) for kind in kinds], flush=True)\n"
        "os.abort()"
    )
    assert done.stdout == "(64, 64) (0, 0)\n"
    assert done.code == -signal.SIGABRT
    assert [path.name for path in place.folder.iterdir()] == []


def test_control_groups_are_removed(tmp_path: Path) -> None:
    nursery = Nursery.find()
    if nursery is None:
        pytest.skip("no control group can be made here")
    place = make_place("bubblewrap", "self", tmp_path)
    with place.start("/bin/sh", "-c", "sleep 100 & true") as server:
        server.communicate(timeout=60)
    assert server.returncode == 0
    left = [path for parent in nursery.parents.values() for path in parent.glob(f"pev-*-{server.pid}-*")]
    assert left == []


def test_groups_of_a_server_that_was_killed_are_swept_by_the_next() -> None:
    nursery = Nursery.find()
    if nursery is None:
        pytest.skip("no control group can be made here")
    inode = Path("/proc/self/ns/pid").stat().st_ino
    dead = 2**22 + 1  # above the largest process id
    folders = [parent / f"pev-{inode}-{dead}-0" for parent in set(nursery.parents.values())]
    for folder in folders:
        folder.mkdir()
    Nursery.find()
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("user", ["self", "nobody"])
def test_a_bubblewrap_of_our_own_is_out_of_reach(tmp_path: Path, user: str) -> None:
    """Whoever owns the program, as after `pip install`, can be led to it by /proc/1/exe."""
    place = make_place("bubblewrap", user, tmp_path)
    package = place.outside / "package"
    (package / "_bin").mkdir(parents=True)
    own = package / "_bin" / "bwrap"
    shutil.copy(bwrap(), own)
    libraries = bwrap().parents[1]
    if (beside := libraries.with_name(f"{libraries.name}.libs")).is_dir():
        shutil.copytree(beside, package.with_name("package.libs"))
    if user == "nobody":
        for path in (place.outside, *place.outside.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    code = (
        "import os\n"
        "for one in (0o777, 0o000):\n"
        "    try: os.chmod('/proc/1/exe', one)\n"
        "    except OSError: pass\n"
        "print(os.readlink('/proc/1/exe'), os.path.exists('/proc/1/fd'))"
    )
    for _ in range(2):
        done = place.python(code, bwrap=str(own))
        assert done.code == 0, done
        assert str(place.outside) not in done.stdout
    assert own.stat().st_mode & 0o777 == 0o755


def test_a_bubblewrap_that_cannot_set_up_is_a_refusal(tmp_path: Path) -> None:
    """And not the exit code 1 of the command, which never ran."""
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n", encoding="utf-8"
    )
    fake.chmod(0o755)
    place = make_place("bubblewrap", "self", tmp_path)
    done = place.run("/bin/true", bwrap=str(fake))
    assert (done.error, "No permissions" in done.message) == ("sandbox.unavailable", True)
