"""The gate as a whole: what a report says, what it is bound to, and what is left behind."""

import json
import time
from pathlib import Path

import anyio
import pytest

from pev.config import load_config
from pev.errors import CheckUnknown, InvalidInput
from pev.findings import Outcome
from pev.gate.engine import NO_CHECKS, NOTHING
from pev.gate.interface import Trust
from support.gates import GateFixture, allow, leftover_processes, plan_for, rules_of
from support.repos import CALC, PYPROJECT, TEST_CALC, UserRepoFixture

FAST = 'checks = ["lint"]\n'
BUG = CALC.replace("a / b", "a % b")
MORE_TESTS = TEST_CALC + "\n\ndef test_divide_negative() -> None:\n    assert divide(-7, 2) == -3.5\n"


async def test_an_honest_change_passes_all_six_checks(gate: GateFixture) -> None:
    """A gate that blocks honest work is worth nothing."""
    report = await gate.judge({"tests/test_calc.py": MORE_TESTS})

    assert report.outcome is Outcome.PASSED, report.reason
    assert {one.check: one.outcome for one in report.checks} == dict.fromkeys(
        ("integrity", "tests", "types", "security", "deps", "lint", "format"), Outcome.PASSED
    )
    assert report.policy_source == "detected"
    assert report.sandboxed
    assert report.changed_files == ("tests/test_calc.py",)


async def test_a_bug_fails_the_gate_with_the_failing_test_first(gate: GateFixture) -> None:
    report = await gate.judge({"src/app/calc.py": BUG})

    assert report.outcome is Outcome.FAILED
    first = report.findings[0]
    assert (first.check, first.rule, first.path) == ("tests", "test-failed", "tests/test_calc.py")
    assert "test_divide" in first.message
    assert first.help
    tests = next(one for one in report.checks if one.check == "tests")
    assert tests.log is not None
    assert b"assert 1 == 3.5" in gate.logs[tests.log]


async def test_an_unchanged_snapshot_is_answered_from_what_was_measured(gate: GateFixture) -> None:
    """Nothing is measured twice, and the second answer is the first one."""
    gate.on_base({"pev.toml": FAST})
    request = await gate.request(gate.change({"src/app/calc.py": CALC + "import os\n"}))

    first = await gate.gate.judge(request)
    begun = time.monotonic()
    second = await gate.gate.judge(request)

    assert (first.cached, second.cached) == (False, True)
    assert second.checks == first.checks
    assert second.key == first.key == await gate.gate.key(request)
    assert time.monotonic() - begun < 1


async def test_a_report_that_was_tampered_with_is_measured_anew(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": FAST})
    request = await gate.request(gate.change({"src/app/calc.py": CALC + "import os\n"}))
    await gate.gate.judge(request)
    (kept,) = (gate.config.state_dir / "gate/reports").rglob("*.json")
    value = json.loads(kept.read_text())
    value["content"]["outcome"] = "PASSED"
    kept.write_text(json.dumps(value))

    report = await gate.gate.judge(request)

    assert (report.outcome, report.cached) == (Outcome.FAILED, False)


async def test_the_key_differs_when_anything_differs_that_it_is_bound_to(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": FAST})
    commit = gate.change({"src/app/calc.py": BUG})
    plain = await gate.request(commit)
    others = [
        await gate.request(commit, plan=plan_for("README.md")),
        await gate.request(commit, trust=Trust.UNTRUSTED),
        await gate.request(commit, limit_s=7.0),
        await gate.request(gate.change({"src/app/calc.py": BUG + "# more\n"})),
    ]

    keys = [await gate.gate.key(one) for one in (plain, *others)]

    assert len(set(keys)) == len(keys)


async def test_an_empty_diff_is_nothing_to_judge(gate: GateFixture) -> None:
    report = await gate.gate.judge(await gate.request("main"))

    assert (report.outcome, report.reason) == (Outcome.INCONCLUSIVE, NOTHING)


async def test_a_gate_without_checks_fails(gate: GateFixture) -> None:
    """An empty all-of is false: integrity alone proves nothing."""
    gate.on_base({"pev.toml": "checks = []\n"})

    report = await gate.judge({"README.md": "# new\n"})

    assert (report.outcome, report.reason) == (Outcome.FAILED, NO_CHECKS)


async def test_without_trust_or_a_sandbox_the_repositorys_code_does_not_run(
    user_repo: UserRepoFixture, offline: Path, tmp_path: Path
) -> None:
    assert offline.is_dir()
    gate = GateFixture(user_repo, load_config(sandbox="none"))
    mark = tmp_path / "ran"
    body = (
        f"import pathlib\n\npathlib.Path({str(mark)!r}).touch()\n\n\ndef test_x() -> None:\n    assert True\n"
    )
    gate.on_base({"pev.toml": 'checks = ["tests", "lint"]\n'})

    report = await gate.judge({"tests/test_mark.py": body}, trust=Trust.UNTRUSTED)

    tests = next(one for one in report.checks if one.check == "tests")
    assert (report.outcome, tests.outcome) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)
    assert "pev trust" in tests.reason
    assert not mark.exists()


async def test_a_sandbox_that_holds_lets_untrusted_tests_run_and_reach_nothing(
    gate: GateFixture, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    body = (
        f"import pathlib\n\nimport pytest\n\n\ndef test_x() -> None:\n    with pytest.raises(OSError):\n"
        f"        pathlib.Path({str(mark)!r}).touch()\n"
    )
    gate.on_base({"pev.toml": 'checks = ["tests", "lint"]\n'})

    report = await gate.judge({"tests/test_mark.py": body}, trust=Trust.UNTRUSTED)

    tests = next(one for one in report.checks if one.check == "tests")
    assert tests.outcome is Outcome.PASSED, tests.reason
    assert not mark.exists()


async def test_setup_commands_need_trust_in_any_sandbox(gate: GateFixture) -> None:
    setup = '[environment]\nsetup = [["python", "-c", "1"]]\n'
    gate.on_base({"pev.toml": f'checks = ["tests"]\n{setup}'})

    result = await gate.check("tests", {"README.md": "# x\n"}, trust=Trust.UNTRUSTED)

    assert result.outcome is Outcome.INCONCLUSIVE
    assert "pev trust" in result.reason


async def test_old_findings_do_not_count_but_are_listed(gate: GateFixture) -> None:
    """Nobody has to clean up an old file before touching it."""
    gate.on_base({"pev.toml": FAST, "src/app/old.py": "import os\n"})

    report = await gate.judge({"src/app/old.py": "# a comment\n# and another\nimport os\n"})

    assert report.outcome is Outcome.PASSED
    assert rules_of(report) == set()
    assert rules_of(report, counting=False) == {"F401"}


async def test_a_moved_file_keeps_the_names_of_its_old_findings(gate: GateFixture) -> None:
    body = "import os\n" + "".join(f"NUMBER_{i} = {i}\n" for i in range(30))
    gate.on_base({"pev.toml": FAST, "src/app/old.py": body})

    report = await gate.judge({"src/app/old.py": None, "src/app/new.py": body})

    assert report.outcome is Outcome.PASSED


async def test_a_let_through_allows_one_finding_on_one_snapshot(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": FAST})
    request = await gate.request(gate.change({"src/app/calc.py": f"import os\nimport re\n{CALC}"}))
    before = await gate.gate.judge(request)
    wanted = next(one for one in before.findings if "os" in one.message)

    one = await gate.request("task", let_throughs=(allow(wanted, request.snapshot),))
    after = await gate.gate.judge(one)

    assert after.outcome is Outcome.FAILED
    assert [f.allowed_by for f in after.findings if f.fingerprint == wanted.fingerprint] == ["ada"]
    every = tuple(allow(f, request.snapshot) for f in before.findings)
    assert (await gate.gate.judge(await gate.request("task", let_throughs=every))).outcome is Outcome.PASSED


async def test_one_check_without_a_base_counts_every_finding(gate: GateFixture) -> None:
    gate.on_base({"src/app/old.py": "import os\n"})

    alone = await gate.gate.check_one(await gate.request("main", base_commit=None), "lint")
    against = await gate.gate.check_one(await gate.request("main"), "lint")

    assert (alone.outcome, rules_of(alone)) == (Outcome.FAILED, {"F401"})
    assert (against.outcome, rules_of(against)) == (Outcome.PASSED, set())
    assert "old findings" in against.reason


async def test_an_unknown_check_is_refused_with_the_known_ones(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": FAST})
    with pytest.raises(CheckUnknown, match="no check 'spelling'") as caught:
        await gate.gate.check_one(await gate.request("main"), "spelling")
    assert "lint" in caught.value.hint


async def test_a_gate_needs_a_base(gate: GateFixture) -> None:
    with pytest.raises(InvalidInput, match="needs a base commit"):
        await gate.gate.judge(await gate.request("main", base_commit=None))


async def test_progress_names_each_check_as_it_ends(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": 'checks = ["lint", "format"]\n'})
    said: list[tuple[str, float, float]] = []

    async def progress(text: str, done: float, total: float) -> None:
        said.append((text, done, total))

    await gate.gate.judge(await gate.request(gate.change({"README.md": "# x\n"})), progress)

    assert {text.partition(":")[0] for text, _, _ in said} == {"integrity", "lint", "format"}
    assert [(done, total) for _, done, total in said] == [(1, 3), (2, 3), (3, 3)]


async def test_cancelling_ends_every_process_and_leaves_nothing(gate: GateFixture) -> None:
    """A caller that goes away must not leave a test suite running."""
    gate.on_base({"pev.toml": 'checks = ["tests"]\n'})
    mark = "endless-mark-7c1f"
    body = (
        "import subprocess\nimport sys\nimport time\n\n\ndef test_wait() -> None:\n"
        f"    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', '{mark}'])\n"
        "    while True:\n        time.sleep(1)\n"
    )
    request = await gate.request(gate.change({"tests/test_wait.py": body}))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.gate.judge, request)
        with anyio.fail_after(30):
            while not leftover_processes(mark):
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()

    with anyio.fail_after(5):
        while leftover_processes(mark):
            await anyio.sleep(0.02)
    assert gate.environments() == []


async def test_an_own_command_decides_by_its_exit_code(gate: GateFixture) -> None:
    own = '[[command]]\nname = "licences"\nargv = ["python", "scripts/check.py"]\n'
    script = "import sys\n\nsys.exit(open('LICENCE').read() != 'free')\n"
    gate.on_base({"pev.toml": f"checks = []\n{own}", "scripts/check.py": script, "LICENCE": "free"})

    good = await gate.judge({"README.md": "# x\n"})
    bad = await gate.judge({"LICENCE": "paid"})
    untrusted = await gate.judge({"LICENCE": "paid"}, trust=Trust.UNTRUSTED)

    outcomes = [good.outcome, bad.outcome, untrusted.outcome]
    assert outcomes == [Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE]
    assert rules_of(bad) == {"exit-code"}


async def test_a_check_that_edits_the_tree_fails_the_gate(gate: GateFixture) -> None:
    """Passing by rewriting the code under review is not passing."""
    script = (
        "import os, pathlib\nf = pathlib.Path('src/app/calc.py')\ns = os.stat(f)\nf.write_text('# gone')\n"
    )
    script += "os.utime(f, ns=(s.st_atime_ns, s.st_mtime_ns))\n"
    own = '[[command]]\nname = "tidy"\nargv = ["python", "tidy.py"]\n'
    gate.on_base({"pev.toml": f"checks = []\n{own}", "README.md": "# y\n"})

    report = await gate.judge({"tidy.py": script})

    tidy = next(one for one in report.checks if one.check == "tidy")
    assert report.outcome is Outcome.FAILED
    assert tidy.reason.endswith("tree changed: src/app/calc.py")


async def test_what_does_not_block_is_only_reported(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": 'checks = ["lint", "format"]\n[check.lint]\nblocking = false\n'})

    report = await gate.judge({"src/app/calc.py": f"import os\n\n{CALC}"})

    lint = next(one for one in report.checks if one.check == "lint")
    assert (lint.outcome, lint.blocking) == (Outcome.FAILED, False)


async def test_each_project_of_a_repository_is_judged_in_its_own_folder(gate: GateFixture) -> None:
    loose = PYPROJECT.replace('"E", "F", "W", "I"', '"E"').replace('"app"', '"loose"')
    gate.on_base(
        {
            "pev.toml": f'{FAST}[[project]]\nroot = "strict"\n[[project]]\nroot = "loose"\n',
            "strict/pyproject.toml": PYPROJECT,
            "loose/pyproject.toml": loose,
        }
    )

    report = await gate.judge({"strict/a.py": "import os\n", "loose/a.py": "import os\n"})

    assert [(one.rule, one.path) for one in report.findings] == [("F401", "strict/a.py")]
    assert "strict: " in next(one.reason for one in report.checks if one.check == "lint")
