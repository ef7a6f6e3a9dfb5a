"""eslint, prettier, the TypeScript compiler and vitest before the gate, in the versions that are locked.

What is installed is installed once for all of these tests.
"""

import json
from pathlib import Path

import pytest

from pev.findings import CheckResult, Effect, Outcome
from support.gates import GateFixture, rules_of
from support.javascript import (
    ESLINT,
    TOOLS,
    TSCONFIG,
    TWICE,
    TWICE_TEST,
    USER_CONFIG,
    locked_by_npm,
    manifest,
    node_project,
)

pytestmark = [pytest.mark.needs_node, pytest.mark.needs_index]
WANTED = manifest(devDependencies=TOOLS)
VITEST = {"vitest": "^3.0.0", "@vitest/coverage-v8": "^3.0.0"}
VITEST_WANTED = manifest(scripts={"test": "vitest run"}, devDependencies=VITEST)
VITEST_TEST = """\
import { describe, expect, it, test } from "vitest";
import { add, divide } from "../src/sum";

test("adds", () => {
  expect(add(2, 3)).toBe(5);
});

describe("divide", () => {
  it.each([[7, 2], [4, 2]])("divides %i by %i", (a, b) => {
    expect(divide(a, b)).toBe(a / b);
  });
});
"""
PLAIN_TEST = """\
import { expect, test } from "vitest";
import { add } from "../src/calc.js";

test("adds", () => expect(add(1, 1)).toBe(2));
"""
TYPED = """\
export function add(a: number, b: number): number {
  return a + b;
}

export const divide = (a: number, b: number): number => a / b;
"""


@pytest.fixture(scope="module")
def tool_lock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lock file of eslint, prettier and the TypeScript compiler."""
    return locked_by_npm(tmp_path_factory.mktemp("locked"), WANTED)


@pytest.fixture(scope="module")
def vitest_lock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lock file of vitest."""
    return locked_by_npm(tmp_path_factory.mktemp("locked-vitest"), VITEST_WANTED)


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let npm find the registry of the person who runs the tests."""
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(USER_CONFIG))


@pytest.fixture
def tool_gate(tmp_path: Path, tool_lock: str) -> GateFixture:
    files = {
        "package.json": WANTED,
        "package-lock.json": tool_lock,
        "eslint.config.js": ESLINT,
        ".prettierrc": "{}\n",
        "tsconfig.json": TSCONFIG,
    }
    return GateFixture(node_project(tmp_path / "app", **files))


def counted(result: CheckResult) -> set[tuple[str, str | None, int | None]]:
    return {(one.rule, one.path, one.line) for one in result.findings if one.counts()}


async def test_an_honest_change_passes_all_checks(tool_gate: GateFixture) -> None:
    """Each tool is the locked one, and each was shown to be able to fail."""
    report = await tool_gate.judge({"src/twice.js": TWICE, "test/twice.test.js": TWICE_TEST})

    assert report.outcome is Outcome.PASSED, report.reason
    tools = {one.check: set(one.tools) for one in report.checks}
    assert tools["lint"] == {"node", "eslint"}
    assert tools["format"] == {"node", "prettier"}
    assert tools["types"] == {"node", "typescript"}
    assert {one.check for one in report.checks} == {*tools, "integrity", "tests", "security", "deps"}


async def test_findings_are_new_or_old_and_name_their_lines(tool_gate: GateFixture) -> None:
    """What the base has too does not count, wherever it stands now."""
    bad = "const unused = 1;\n/** @type {number} */\nexport const a = 'text'\n"
    tool_gate.on_base({"src/old.js": bad})
    files = {"src/old.js": f"\n{bad}", "src/bad.js": bad}

    lint = await tool_gate.check("lint", files)
    types = await tool_gate.check("types", files)
    form = await tool_gate.check("format", files)

    assert counted(lint) == {("no-unused-vars", "src/bad.js", 1)}
    assert counted(types) == {("TS2322", "src/bad.js", 3)}
    assert counted(form) == {("unformatted", "src/bad.js", None)}
    assert {one.outcome for one in (lint, types, form)} == {Outcome.FAILED}


async def test_a_cast_in_place_of_a_type_is_held(tool_gate: GateFixture) -> None:
    """The compiler believes it; what the base casts too is old, wherever it stands."""
    tool_gate.on_base({"src/old.ts": "export const a: number = JSON.parse('1') as any;\n"})
    cast = "export const b: number = ('text' as unknown) as number;\n"

    result = await tool_gate.check(
        "types",
        {"src/old.ts": "\nexport const a: number = JSON.parse('1') as any;\n", "src/cast.ts": cast},
    )

    assert (result.outcome, counted(result)) == (Outcome.HELD, {("type-cast", "src/cast.ts", 1)})


async def test_a_loosened_configuration_loosens_nothing(tool_gate: GateFixture) -> None:
    """The trusted version judges, and the change of it is held."""
    bad = "const unused = 1;\n/** @type {number} */\nexport const a = 'text'\n"
    files = {
        "src/bad.js": bad,
        "eslint.config.js": "export default [];\n",
        "tsconfig.json": TSCONFIG.replace('"checkJs": true', '"checkJs": false'),
        ".prettierignore": "src\n",
        "package.json": manifest(devDependencies=TOOLS, eslintConfig={"root": True}),
    }
    lint, types, form, ground = [
        await tool_gate.check(name, files) for name in ("lint", "types", "format", "integrity")
    ]

    assert rules_of(lint) == {"no-unused-vars"}
    assert rules_of(types) == {"TS2322"}
    assert rules_of(form) == {"unformatted"}
    assert ground.outcome is Outcome.HELD
    held = {one.path for one in ground.findings if one.effect is Effect.HOLDS}
    assert held == {"eslint.config.js", "tsconfig.json", ".prettierignore", "package.json"}


async def test_tools_are_never_those_of_the_change(tool_gate: GateFixture, tool_lock: str) -> None:
    """A lock file without eslint, and one in the tree, leave the trusted one in its place."""
    value = json.loads(tool_lock)
    names = ("node_modules/eslint", "node_modules/@eslint/js")
    value["packages"] = {key: one for key, one in value["packages"].items() if key not in names}
    left = {name: spec for name, spec in TOOLS.items() if "eslint" not in name}
    value["packages"][""]["devDependencies"] = left
    files = {
        "package.json": manifest(devDependencies=left),
        "package-lock.json": json.dumps(value, indent=2) + "\n",
        "src/bad.js": "const unused = 1;\n",
        "tools/eslint/bin/eslint.js": "process.exit(0);\n",
    }

    result = await tool_gate.check("lint", files)

    assert ("no-unused-vars", "src/bad.js", 1) in counted(result), result.reason


@pytest.mark.slow
async def test_vitest_runs_typed_tests_with_coverage(tmp_path: Path, vitest_lock: str) -> None:
    """Names that are made at run time are no hindrance; a bug is, and so is code that no test runs."""
    repo = node_project(
        tmp_path / "app",
        **{
            "package.json": VITEST_WANTED,
            "package-lock.json": vitest_lock,
            "src/sum.ts": TYPED,
            "test/sum.test.ts": VITEST_TEST,
            "test/calc.test.js": PLAIN_TEST,
        },
    )
    gate = GateFixture(repo)
    more = f"{TYPED}\nexport function twice(a: number): number {{\n  return 2 * a;\n}}\n"
    extended = VITEST_TEST.replace("add, divide", "add, divide, twice") + (
        '\ntest("doubles", () => {\n  expect(twice(4)).toBe(8);\n});\n'
    )

    honest = await gate.check("tests", {"src/sum.ts": more, "test/sum.test.ts": extended})
    bug = await gate.check("tests", {"src/sum.ts": TYPED.replace("a / b", "a / b + 1")})

    assert honest.outcome is Outcome.PASSED, honest.reason
    assert "tests fail without 1 changed function" in honest.reason
    assert honest.tools["vitest"]
    assert (bug.outcome, rules_of(bug)) == (Outcome.FAILED, {"test-failed"})
    assert {one.line for one in bug.findings} == {10}
