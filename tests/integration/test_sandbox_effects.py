"""What a confined command can do and cannot: real processes, judged by their effects, as root and not."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.confined import PLACES, Place, make_place

pytestmark = pytest.mark.needs_host


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A sandbox of each mechanism, as this user and as an ordinary one."""
    return make_place(request.param[0], request.param[1], tmp_path)


@pytest.fixture(params=[one for one in PLACES if one[0] == "bubblewrap"], ids="-".join)
def strong(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """What only bubblewrap promises."""
    return make_place(request.param[0], request.param[1], tmp_path)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener on loopback of the host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def _heard(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_a_command_works_in_its_folder(place: Place) -> None:
    """A sandbox that breaks honest work is switched off."""
    done = place.python(
        "import os, sys, tempfile, asyncio\n"
        "open('made', 'w').write('yes')\n"
        "os.chmod('made', 0o755); os.rename('made', 'moved')\n"
        "tempfile.TemporaryFile().write(b'x')\n"
        "asyncio.run(asyncio.sleep(0))\n"
        "print(sys.stdin.read(), os.environ['GIVEN'])\n"
        "sys.exit(3)",
        env={"GIVEN": "word"},
        stdin="fed",
    )
    assert (done.code, done.ending, done.stdout) == (3, "exited", "fed word\n"), done
    assert (place.folder / "moved").read_text(encoding="utf-8") == "yes"


def test_git_and_processes_work_in_it(place: Place) -> None:
    """Neither needs what the filter refuses; git ends when it may not look for its system file."""
    done = place.run("/bin/sh", "-c", "git init -q made && git -C made status --porcelain && nice -n 5 true")
    assert done.code == 0, done
    done = place.python(
        "import asyncio, multiprocessing, os, shutil\n"
        "async def child():\n"
        "    return await (await asyncio.create_subprocess_exec('/bin/true')).wait()\n"
        "fork = multiprocessing.get_context('fork')\n"
        "near, far = fork.Pipe()\n"
        "process = fork.Process(target=far.send, args=(3,)); process.start()\n"
        "open('file', 'w').close(); os.utime('file'); shutil.copy2('file', 'copy'); os.nice(1)\n"
        "print(asyncio.run(child()), near.recv())"
    )
    assert done.stdout == "0 3\n", done


def test_folders_below_a_writable_one_are_shown_as_granted(place: Place) -> None:
    """What is compared before a command begins is the same folder, whatever its name; `.git` is masked."""
    inner, shared = place.folder / "with blank\\ü", place.folder / "shared"
    for folder in (inner, shared, place.folder / "shared/cache"):
        folder.mkdir()
    (inner / ".git").write_text("gitdir: elsewhere\n", encoding="utf-8")
    (inner / "fact").write_text("known", encoding="utf-8")
    done = place.run(
        "/bin/cat",
        str(inner / "fact"),
        readable=[str(inner), str(shared)],
        writable=[str(place.folder), str(shared / "cache")],
    )
    assert (done.code, done.stdout) == (0, "known"), done


def test_a_program_is_found_by_its_name(place: Place) -> None:
    """By us, without any module of an interpreter that the command may not see."""
    (place.folder / "folder").mkdir()
    found = place.run("true", env={"PATH": "folder:/absent:/usr/bin:/bin"})
    assert (found.code, found.error) == (0, ""), found


def test_no_setuid_file_is_made(place: Place) -> None:
    """A mode of a folder that is inherited stays; only asking for the bit is refused."""
    (place.folder / "shared").mkdir()
    (place.folder / "shared").chmod(0o2777)
    done = place.run("/bin/sh", "-c", "mkdir shared/below && cp /bin/true true && chmod 4755 true")
    assert done.code == 1, done
    assert (place.folder / "shared/below").stat().st_mode & 0o2000
    assert not (place.folder / "true").stat().st_mode & 0o6000


def test_nothing_outside_is_read_or_written(place: Place) -> None:
    secret, canary = place.outside / "secret", place.outside / "canary"
    for path in (secret, canary):
        path.write_text("s3cr3t", encoding="utf-8")
        path.chmod(0o666)
    done = place.python(
        f"for path, mode in (({str(secret)!r}, 'r'), ({str(canary)!r}, 'a'), ('/etc/shadow', 'r')):\n"
        "    try:\n"
        "        handle = open(path, mode)\n"
        "        print(handle.write('x') if mode == 'a' else handle.read())\n"
        "    except OSError as exc: print('no')\n"
    )
    assert "s3cr3t" not in done.stdout
    assert canary.read_text(encoding="utf-8") == "s3cr3t"
    assert done.stdout.split() == ["no"] * 3, done


def test_a_link_in_the_folder_leads_nowhere(place: Place) -> None:
    (place.outside / "secret").write_text("s3cr3t", encoding="utf-8")
    (place.folder / "link").symlink_to(place.outside)
    done = place.run("/bin/sh", "-c", "cat link/secret; echo x > link/new; ln link/secret hard; true")
    assert "s3cr3t" not in done.stdout
    assert not (place.outside / "new").exists()
    assert not (place.folder / "hard").exists()


def test_a_folder_that_is_granted_for_reading_cannot_be_written(place: Place, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir(mode=0o777)
    (shown / "file").write_text("as it was", encoding="utf-8")
    for path in (shown, shown / "file"):
        path.chmod(0o777)
    done = place.run(
        "/bin/sh",
        "-c",
        f"cat {shown}/file; echo x > {shown}/file; echo x > {shown}/new; rm -f {shown}/file; mv {shown} gone",
        readable=[str(shown)],
    )
    assert done.stdout == "as it was"
    assert (shown / "file").read_text(encoding="utf-8") == "as it was"
    assert sorted(path.name for path in shown.iterdir()) == ["file"]


def test_loopback_of_the_host_hears_nothing(place: Place, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    place.python(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2).send(b'x')")
    assert not _heard(listener)


def test_datagrams_reach_nobody(place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        port = server.getsockname()[1]
        place.python(
            "import socket\n"
            f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))"
        )
        with pytest.raises(BlockingIOError):
            server.recv(1)


def test_sockets_in_files_and_abstract_ones_hear_nothing(place: Place) -> None:
    """A pathname socket is reached through a folder that is granted, whatever the network is."""
    names = (str(place.folder / "sock"), f"\0pev-test-{os.getpid()}-{place.mechanism}-{place.user}")
    with socket.socket(socket.AF_UNIX) as file, socket.socket(socket.AF_UNIX) as abstract:
        for server, name in zip((file, abstract), names, strict=True):
            server.bind(name)
            server.listen()
            server.setblocking(False)
        Path(names[0]).chmod(0o777)
        place.python(
            "import socket\n"
            f"for name in {names!r}:\n"
            "    try: socket.socket(socket.AF_UNIX).connect(name)\n"
            "    except OSError: pass\n"
        )
        assert not _heard(file)
        assert not _heard(abstract)


def test_loopback_works_inside(strong: Place) -> None:
    """Tests of honest projects start servers."""
    done = strong.python(
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname())\n"
        "server.accept()[0].send(b'hello'); print(client.recv(5))\n"
        "print(socket.create_server(('::1', 0), family=socket.AF_INET6) is not None)\n"
        "left, right = socket.socketpair(); left.send(b'x'); print(right.recv(1))"
    )
    assert done.stdout.splitlines() == ["b'hello'", "True", "b'x'"], done


def test_the_environment_is_what_was_given(place: Place) -> None:
    done = place.run("/usr/bin/env", env={"ONE": "1 2\n3", "HOME": str(place.folder)})
    assert "s3cr3t" not in done.stdout
    assert "ONE=1 2\n3" in done.stdout
    assert f"HOME={place.folder}" in done.stdout


def test_a_home_that_is_not_granted_is_replaced(place: Place) -> None:
    done = place.run(
        "/bin/sh", "-c", "echo $HOME; echo x > $HOME/x && echo wrote", env={"HOME": str(place.outside)}
    )
    assert str(place.outside) not in done.stdout
    assert done.stdout.endswith("wrote\n")
    assert list(place.outside.iterdir()) == []


def test_processes_of_others_cannot_be_read_or_killed(place: Place) -> None:
    user = {"user": 65534, "group": 65534} if place.user == "nobody" else {}
    with subprocess.Popen(
        ["/bin/sleep", "60"],
        env={"SECRET": "s3cr3t"},
        **user,  # type: ignore[call-overload]
    ) as other:
        done = place.python(
            "import os, signal\n"
            f"for name in ('environ', 'mem', 'root/etc/passwd'):\n"
            f"    try: print(open(f'/proc/{other.pid}/{{name}}', 'rb').read(100))\n"
            "    except OSError: print('no')\n"
            f"try: os.kill({other.pid}, signal.SIGKILL)\n"
            "except OSError: print('no')\n"
        )
        alive = other.poll() is None
        other.kill()
    assert "s3cr3t" not in done.stdout
    assert done.stdout.split() == ["no"] * 4, done
    assert alive


def test_dangerous_system_calls_are_refused(place: Place) -> None:
    """By number, as an attacker makes them: the young ones, whose numbers are the same everywhere."""
    calls = {"io_uring_setup": 425, "open_tree": 428, "fsopen": 430, "clone3": 435, "pidfd_getfd": 438}
    done = place.python(
        "import ctypes, errno, json\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def call(number):\n"
        "    result = libc.syscall(number, 0, 0, 0, 0, 0)\n"
        "    return errno.errorcode[ctypes.get_errno()] if result < 0 else 'done'\n"
        f"print(json.dumps({{name: call(number) for name, number in {calls!r}.items()}}))\n"
    )
    found = json.loads(done.stdout)
    assert found.pop("clone3") == "ENOSYS"
    assert set(found.values()) == {"EPERM"}, found


def test_namespaces_and_mounts_are_refused(place: Place) -> None:
    done = place.run(
        "/bin/sh",
        "-c",
        "unshare -Ur true; echo $?; unshare -n true; echo $?; mount -t tmpfs x /tmp; echo $?;"
        " mount -o remount,rw,bind /usr; echo $?; touch /usr/pev-was-here; echo $?",
    )
    assert "0" not in done.stdout.split(), done
    assert not Path("/usr/pev-was-here").exists()


def test_a_terminal_cannot_be_typed_into(place: Place) -> None:
    done = place.python(
        "import fcntl, os, pty, termios\n"
        "leader, follower = os.openpty()\n"
        "for number in (termios.TIOCSTI, termios.TIOCSTI | 1 << 32, 0x541C):\n"
        "    try: fcntl.ioctl(follower, number & 0xFFFFFFFF, b'x'); print('typed')\n"
        "    except OSError: print('no')\n"
        if place.mechanism == "bubblewrap"
        else "import fcntl, termios\n"
        "for number in (termios.TIOCSTI, 0x541C):\n"
        "    try: fcntl.ioctl(0, number, b'x'); print('typed')\n"
        "    except OSError: print('no')\n"
    )
    assert done.stdout.split()
    assert "typed" not in done.stdout, done


def test_privileges_are_gone(place: Place) -> None:
    done = place.run(
        "/bin/sh", "-c", "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status || cat /proc/$$/status"
    )
    facts = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} <= {"0" * 16} or (
        place.user == "nobody" and facts["CapEff"] == "0" * 16
    )


def test_git_data_at_the_top_of_a_granted_folder_is_not_there(strong: Place, tmp_path: Path) -> None:
    """Worktrees have a file, clones a folder; both say where objects and credentials are."""
    shown = tmp_path / "shown"
    (shown / ".git").mkdir(parents=True)
    (shown / ".git" / "config").write_text("s3cr3t", encoding="utf-8")
    (strong.folder / ".git").write_text("gitdir: s3cr3t", encoding="utf-8")
    done = strong.run(
        "/bin/sh",
        "-c",
        f"cat .git {shown}/.git/config; echo evil > .git; rm -rf .git; mv .git x; mkdir {shown}/.git/hooks",
        readable=[str(shown)],
    )
    assert "s3cr3t" not in done.stdout
    assert (strong.folder / ".git").read_text(encoding="utf-8") == "gitdir: s3cr3t"
    assert not (shown / ".git" / "hooks").exists()


def test_landlock_puts_a_git_file_back_and_refuses_a_git_folder(tmp_path: Path) -> None:
    """It can only add rights, so what must stay hidden may not lie below what is granted."""
    place = make_place("landlock", "self", tmp_path)
    (place.folder / ".git").write_text("gitdir: here", encoding="utf-8")
    place.run("/bin/sh", "-c", "rm .git; mkdir .git; echo evil > .git/config")
    assert (place.folder / ".git").read_text(encoding="utf-8") == "gitdir: here"
    (place.folder / ".git").unlink()
    (place.folder / ".git").mkdir()
    done = place.run("/bin/true")
    assert (done.error, ".git would be visible" in done.message) == ("sandbox.unavailable", True)


def test_a_hidden_folder_below_a_granted_one_is_empty(strong: Place) -> None:
    hidden = strong.folder / "state"
    hidden.mkdir()
    (hidden / "key").write_text("s3cr3t", encoding="utf-8")
    done = strong.run("/bin/sh", "-c", "ls -a state; cat state/key; echo x > state/key", hidden=[str(hidden)])
    assert "s3cr3t" not in done.stdout
    assert (hidden / "key").read_text(encoding="utf-8") == "s3cr3t"


def test_the_system_that_is_seen_is_neutral(strong: Place) -> None:
    done = strong.run(
        "/bin/sh", "-c", "hostname; id -un; id -u; ls -A /; cat /etc/passwd; ls /root /home /run /var"
    )
    seen = done.stdout.split()
    assert seen[:3] == ["sandbox", "sandbox", "1000"]
    assert not {"root", "home", "run", "srv", "sys", "boot", "opt", "mnt"} & set(seen[3:15])
    assert os.uname().nodename not in done.stdout


def test_memory_file_systems_are_bounded_and_the_root_is_sealed(strong: Place) -> None:
    strong.limits = {"tmp_bytes": 2**20}
    done = strong.run(
        "/bin/sh",
        "-c",
        "for to in /tmp /dev/shm / /dev /etc /var; do"
        " head -c 3000000 /dev/zero > $to/big; stat -c %s $to/big || echo none; done 2> /tmp/said",
    )
    sizes = done.stdout.split()
    assert all(one == "none" or int(one) <= 2**20 for one in sizes), done
    assert sizes[2:] == ["none"] * 4


def test_kernel_settings_cannot_be_written(strong: Place) -> None:
    """Root outside owns them, capabilities or not."""
    before = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8")
    strong.run("/bin/sh", "-c", "echo '|/bin/evil' > /proc/sys/kernel/core_pattern; echo 1 > /proc/self/comm")
    assert Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8") == before


def test_a_program_that_is_not_there_is_named(place: Place) -> None:
    for name in ("no-such-program", "./no-such-file", str(place.outside / "tool")):
        done = place.run(name)
        assert (done.error, name in done.message) == ("tool.missing", True), done


def test_a_script_without_its_interpreter_does_not_run(place: Place) -> None:
    """As for a shell: there is a file of that name, and it is no program."""
    (place.folder / "tool").write_text("#!/no/such/interpreter\n", encoding="utf-8")
    (place.folder / "tool").chmod(0o755)
    done = place.run("./tool")
    assert done.error == "tool.missing" or done.code in (126, 127), done


def test_exit_codes_and_signals_are_told_apart(place: Place) -> None:
    assert place.run("/bin/sh", "-c", "exit 7").code == 7
    killed = place.run("/bin/sh", "-c", "kill -9 $$")
    assert (killed.code, killed.ending) == (-9, "signalled")


def test_landlock_lets_no_single_host_through(tmp_path: Path) -> None:
    done = make_place("landlock", "self", tmp_path).run("/bin/true", hosts=["example.com:443"])
    assert (done.error, "example.com:443" in done.message) == ("sandbox.unavailable", True)


def test_a_planted_link_does_not_widen_a_grant(strong: Place) -> None:
    """A command of before may have put a link where a folder of ours was."""
    (strong.outside / "secret").write_text("s3cr3t", encoding="utf-8")
    (strong.folder / "home").symlink_to(strong.outside)
    done = strong.run("/bin/cat", "home/secret", writable=[str(strong.folder), str(strong.folder / "home")])
    assert (done.error, done.stdout) == ("sandbox.unavailable", "")
