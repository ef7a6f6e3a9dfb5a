"""The checks that only look: format, lint, types, security, integrity, and the harness they stand on."""

from pathlib import Path

import pytest

from pev.config import load_config
from pev.findings import Effect, Outcome
from pev.gate.interface import Trust
from support.gates import GateFixture, allow, of, plan_for, rules_of
from support.repos import CALC, PYPROJECT, TEST_CALC, UserRepoFixture

UNUSED = f"import os\n\n{CALC}"
LINT = 'checks = ["lint"]\n'


@pytest.fixture
def lint_gate(gate: GateFixture) -> GateFixture:
    gate.on_base({"pev.toml": LINT, ".gitignore": ""})
    return gate


# Tool configuration is the trusted ref's


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", PYPROJECT.replace('select = ["E"', 'ignore = ["F401"]\nselect = ["E"')),
        ("ruff.toml", 'lint.ignore = ["F401"]\n'),
        ("src/.ruff.toml", 'exclude = ["*"]\n'),
        ("src/app/ruff.toml", "lint.select = []\n"),
        ("src/app/pyproject.toml", "[tool.ruff.lint]\nselect = []\n"),
    ],
)
async def test_a_loosened_configuration_is_held_and_not_used(
    lint_gate: GateFixture, path: str, text: str
) -> None:
    """The violated rule is not switched off by the change that violates it."""
    report = await lint_gate.judge({path: text, "src/app/calc.py": UNUSED})

    assert rules_of(of(report, "lint")) == {"F401"}
    (held,) = of(report, "integrity").findings
    assert (held.path, held.effect) == (path, Effect.HOLDS)


async def test_a_configuration_that_a_plan_names_is_used_on_both_sides(lint_gate: GateFixture) -> None:
    """A stricter rule that a person approved makes old code old, not the change's fault."""
    lint_gate.on_base({"src/app/old.py": "x = [1].__len__()\n"})
    stricter = PYPROJECT.replace('"W", "I"', '"W", "I", "PLC"').replace(
        "[tool.mypy]", "preview = true\n[tool.mypy]"
    )

    report = await lint_gate.judge(
        {"pyproject.toml": stricter, "src/app/new.py": "x = [1].__len__()\n"}, plan=plan_for("pyproject.toml")
    )

    ages = {one.path: one.age.value for one in of(report, "lint").findings if one.rule == "PLC2801"}
    assert ages == {"src/app/new.py": "new", "src/app/old.py": "old"}


async def test_an_older_python_is_held_and_does_not_lower_the_target_of_ruff(gate: GateFixture) -> None:
    """ruff takes its target from requires-python; a newer one only demands more, and is used."""
    gate.on_base({"pev.toml": LINT, "pyproject.toml": PYPROJECT.replace('"W", "I"', '"W", "I", "UP"')})
    base = PYPROJECT.replace('"W", "I"', '"W", "I", "UP"')
    old_style = {"src/app/old.py": "from typing import List\n\nNAMES: List[str] = []\n"}

    older = await gate.judge({"pyproject.toml": base.replace(">=3.10", ">=3.7"), **old_style})
    newer = await gate.judge({"pyproject.toml": base.replace(">=3.10", ">=3.11")})

    assert "UP006" in rules_of(of(older, "lint"))
    assert "protected-pyproject" in rules_of(of(older, "integrity"))
    assert newer.outcome is Outcome.PASSED, newer.reason


async def test_a_let_through_of_a_configuration_makes_it_count(lint_gate: GateFixture) -> None:
    loose = PYPROJECT.replace('select = ["E"', 'ignore = ["F401"]\nselect = ["E"')
    files = {"pyproject.toml": loose, "src/app/calc.py": UNUSED.replace("import os\n\n", "import os\n")}
    before = await lint_gate.judge(files)
    held = next(one for one in before.findings if one.effect is Effect.HOLDS)

    after = await lint_gate.gate.judge(
        await lint_gate.request("task", let_throughs=(allow(held, before.snapshot),))
    )

    assert "F401" in rules_of(before)
    assert "F401" not in rules_of(after)
    assert of(after, "integrity").outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", PYPROJECT.replace("dependencies = []", 'dependencies = []\nkeywords = ["new"]')),
        ("pyproject.toml", PYPROJECT.replace('"W", "I"', '"W", "I", "B"')),
        ("pyproject.toml", PYPROJECT.replace("strict = true", "strict   =  true # yes")),
        (".gitignore", "*.log\nbuild/\n"),
    ],
    ids=["metadata", "more rules", "spelling", "ignore rules"],
)
async def test_a_neutral_or_stricter_configuration_passes(
    lint_gate: GateFixture, path: str, text: str
) -> None:
    report = await lint_gate.judge({path: text})

    assert report.outcome is Outcome.PASSED, report.reason


async def test_ignored_files_are_looked_at(lint_gate: GateFixture) -> None:
    """A `.gitignore` of the change hides nothing from the linter."""
    lint_gate.repo.git("checkout", "-q", "-B", "task", "main")
    lint_gate.repo.write({".gitignore": "hidden.py\n", "hidden.py": "import os\n"})
    lint_gate.repo.git("add", "-f", "hidden.py")
    commit = lint_gate.repo.commit("hide")

    report = await lint_gate.gate.judge(await lint_gate.request(commit))

    assert [(one.rule, one.path) for one in report.findings] == [("F401", "hidden.py")]


async def test_a_first_policy_no_looser_than_the_default_passes(gate: GateFixture) -> None:
    from pev.gate.policy import default_toml, detect

    request = await gate.request("main")
    text = default_toml(await detect(request.depot, request.trusted_commit))

    same = await gate.check("integrity", {"pev.toml": text})
    looser = await gate.check("integrity", {"pev.toml": text.replace("= 80", "= 10")})

    assert same.outcome is Outcome.PASSED, same.reason
    assert looser.outcome is Outcome.HELD
    assert "coverage_floor 10 is lower than 80" in looser.reason


# Tools are ours


async def test_nothing_in_the_tree_takes_the_place_of_a_tool(gate: GateFixture, tmp_path: Path) -> None:
    """A module or a program of a tool's name is neither run nor accepted."""
    gate.on_base({"pev.toml": 'checks = ["lint", "types", "security"]\n', ".gitignore": ""})
    mark = tmp_path / "ran"
    shim = f"import pathlib\nimport sys\n\npathlib.Path({str(mark)!r}).touch()\nsys.exit(0)\n"
    names = ("mypy.py", "bandit.py", "ruff.py", "sitecustomize.py", "src/usercustomize.py", "src/json.py")
    files: dict[str, str | None] = dict.fromkeys(names, shim)

    report = await gate.judge({**files, ".venv/bin/ruff": "#!/bin/sh\n", "src/app/calc.py": UNUSED})

    assert not mark.exists()
    assert "F401" in rules_of(of(report, "lint"))
    assert {"shadows-tool", "vendored-environment"} <= rules_of(of(report, "integrity"))
    found = {one.path for one in of(report, "integrity").findings}
    assert found >= {*names, ".venv/bin/ruff"}


# What each check sees


async def test_a_wrong_type_is_found_and_old_ones_are_old(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": 'checks = ["types"]\n', "src/app/old.py": 'X: int = "a"\n'})

    report = await gate.judge(
        {"src/app/calc.py": CALC + '\nY: int = "b"\n', "src/app/old.py": '\n\nX: int = "a"\n'}
    )

    types = of(report, "types")
    assert types.outcome is Outcome.FAILED
    assert rules_of(types) == {"assignment"}
    ages = {one.path: one.age.value for one in types.findings}
    assert ages == {"src/app/calc.py": "new", "src/app/old.py": "old"}


@pytest.mark.slow
async def test_a_base_that_mypy_cannot_read_makes_types_not_apply(gate: GateFixture) -> None:
    """Exit code 2 is no finding: it says that nothing was measured."""
    gate.repo.git("rm", "-q", "pyproject.toml")
    gate.on_base({"a/twin.py": "X = 1\n", "b/twin.py": "X = 1\n"})

    detected = await gate.check("types", {"README.md": "# x\n"})
    gate.on_base({"pev.toml": 'checks = ["types"]\n'})
    written = await gate.check("types", {"README.md": "# y\n"})

    assert detected.outcome is Outcome.SKIPPED
    assert detected.reason.startswith("cannot run on the base: mypy ended with exit code 2")
    assert written.outcome is Outcome.INCONCLUSIVE


@pytest.mark.slow
async def test_mypy_plugins_of_the_repository_need_trust(
    user_repo: UserRepoFixture, offline: Path, tmp_path: Path
) -> None:
    assert offline.is_dir()
    gate = GateFixture(user_repo, load_config(sandbox="none"))  # so that the plugin can leave a mark
    mark = tmp_path / "ran"
    plugin = (
        f"from pathlib import Path\n\nfrom mypy.plugin import Plugin\n\nPath({str(mark)!r}).touch()\n\n\n"
        "def plugin(version: str) -> type[Plugin]:\n    return Plugin\n"
    )
    config = PYPROJECT.replace("strict = true", 'strict = true\nplugins = ["./plug.py"]')
    gate.on_base({"pyproject.toml": config, "plug.py": plugin, "pev.toml": 'checks = ["types"]\n'})

    untrusted = await gate.check("types", {"README.md": "# x\n"}, trust=Trust.UNTRUSTED)
    ran_without = mark.exists()
    trusted = await gate.check("types", {"README.md": "# x\n"})
    changed = await gate.check("integrity", {"plug.py": plugin + "# more\n"})

    assert (untrusted.outcome, ran_without) == (Outcome.INCONCLUSIVE, False)
    assert "pev trust" in untrusted.reason
    assert (trusted.outcome, mark.exists()) == (Outcome.PASSED, True), trusted.reason
    assert changed.outcome is Outcome.HELD


async def test_risky_and_disguised_calls_are_found(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": 'checks = ["security"]\n'})
    risky = "import subprocess\n\n\ndef run(cmd: str) -> int:\n    return subprocess.call(cmd, shell=True)\n"
    hidden = 'import importlib\n\ncall = getattr(importlib.import_module("sub" + "process"), "ca" + "ll")\n'

    report = await gate.judge({"src/app/risky.py": risky, "src/app/hidden.py": hidden})

    found = {(one.rule, one.path) for one in of(report, "security").findings}
    assert found == {("B602", "src/app/risky.py"), ("disguised-name", "src/app/hidden.py")}


async def test_only_the_changed_unformatted_file_is_named(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": 'checks = ["format"]\n', "src/app/old.py": "x = {  'a':1 }\n"})

    report = await gate.judge(
        {"src/app/new.py": "y = {  'a':1 }\n", "src/app/old.py": "x = {  'a':1,2:3 }\n"}
    )

    assert [one.path for one in report.findings if one.counts()] == ["src/app/new.py"]


async def test_the_types_of_a_dependency_are_known(gate: GateFixture) -> None:
    """What the project's environment holds is read, and is no Any."""
    gate.on_base({"pev.toml": 'checks = ["types"]\n'})
    wrong = "import pytest\n\n\ndef test_new() -> None:\n    pytest.skip(1)\n"

    result = await gate.check("types", {"tests/test_new.py": wrong})

    assert (result.outcome, rules_of(result)) == (Outcome.FAILED, {"arg-type"})


async def test_a_syntax_error_fails_every_check_that_reads_code(gate: GateFixture) -> None:
    gate.on_base({"pev.toml": 'checks = ["format", "lint", "security"]\n'})

    report = await gate.judge({"src/app/calc.py": "def f(:\n"})

    assert {one.check: one.outcome for one in report.checks if one.check != "integrity"} == dict.fromkeys(
        ("format", "lint", "security"), Outcome.FAILED
    )


async def test_code_that_is_too_deep_ends_in_an_answer(gate: GateFixture) -> None:
    """A crash of the gate is no verdict."""
    gate.on_base({"pev.toml": 'checks = ["security"]\n'})
    deep = "x = " + "-" * 50_000 + "1\n"

    report = await gate.judge({"src/app/deep.py": deep, "tests/test_calc.py": TEST_CALC + deep})

    assert report.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("import os  # noqa: F401", "new-noqa"),
        ("# ruff: noqa", "new-noqa"),
        ("X: int = ''  # type: ignore", "new-type-ignore"),
        ("# mypy: ignore-errors", "new-type-pragma"),
        ("X = 1  # nosec", "new-nosec"),
        ("X = 1  # pragma: no cover", "new-no-cover"),
        ("X = 1  # fmt: skip", "new-fmt"),
    ],
)
async def test_a_new_suppression_is_a_finding(lint_gate: GateFixture, line: str, rule: str) -> None:
    result = await lint_gate.check("integrity", {"src/app/calc.py": f"{CALC}\n{line}\n"})

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {rule}


async def test_links_that_lead_out_are_refused(lint_gate: GateFixture) -> None:
    lint_gate.repo.git("checkout", "-q", "-B", "task", "main")
    (lint_gate.repo.path / "out").symlink_to("../../etc/passwd")
    commit = lint_gate.repo.commit("link")

    report = await lint_gate.gate.judge(await lint_gate.request(commit))

    assert report.outcome is Outcome.FAILED
    assert rules_of(report) == {"link"}
