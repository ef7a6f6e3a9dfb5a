"""A JavaScript project before the gate: honest changes pass, and the ways to talk a gate past it do not.

The project needs no package, so nothing of this needs a registry.
"""

import json
from pathlib import Path

import pytest

from pev.config import load_config
from pev.findings import CheckResult, Effect, Outcome
from support.gates import GateFixture, of, plan_for, rules_of
from support.javascript import CALC, CALC_TEST, TWICE, TWICE_TEST, lock, manifest, node_project
from support.osv import OsvFixture
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_node
BUG = CALC.replace("a / b", "a / b + 1")


@pytest.fixture
def node_gate(tmp_path: Path) -> GateFixture:
    return GateFixture(node_project(tmp_path / "app"))


def held(result: CheckResult) -> set[tuple[str, str | None]]:
    return {
        (one.rule, one.path) for one in result.findings if one.counts() and one.effect is not Effect.NOTES
    }


async def test_an_honest_change_passes_the_checks_that_fit(node_gate: GateFixture) -> None:
    """Nobody wrote a policy: the project was found, and has neither formatter, linter nor types."""
    report = await node_gate.judge({"src/twice.js": TWICE, "test/twice.test.js": TWICE_TEST})

    assert report.outcome is Outcome.PASSED, report.reason
    assert {one.check for one in report.checks} == {"integrity", "tests", "security"}
    assert "4 passed, coverage 100.0 %, 100 % of 1 changed lines run" in of(report, "tests").reason
    assert "tests fail without 1 changed function" in of(report, "tests").reason
    assert of(report, "tests").tools["node"]
    assert node_gate.environments() == []


async def test_a_bug_fails_even_if_its_tests_are_bent_to_it(node_gate: GateFixture) -> None:
    """The base's tests face the change; an approved plan that names the test file takes them back."""
    files = {"src/calc.js": BUG, "test/calc.test.js": CALC_TEST.replace("3.5", "4.5")}

    plain = await node_gate.check("tests", {"src/calc.js": BUG})
    bent = await node_gate.check("tests", files)
    planned = await node_gate.check("tests", files, plan=plan_for("src/calc.js", "test/calc.test.js"))

    assert (plain.outcome, rules_of(plain)) == (Outcome.FAILED, {"test-failed"})
    (failure,) = plain.findings
    assert (failure.path, failure.line) == ("test/calc.test.js", 10)
    assert "test/calc.test.js::divide > divides" in failure.message
    assert (bent.outcome, rules_of(bent)) == (Outcome.FAILED, {"base-test-failed"})
    assert planned.outcome is Outcome.PASSED, planned.reason


async def test_what_is_done_to_tests_and_harness_is_told(node_gate: GateFixture) -> None:
    """Rules 2, 4 and 8: one change that does all of it, and one finding for each thing."""
    node_gate.on_base(
        {"test/old.test.js": TWICE_TEST.replace("twice", "add").replace("add(4), 8", "add(4, 4), 8")}
    )
    weaker = CALC_TEST.replace("assert.equal(add(2, 3), 5)", "assert.ok(add(2, 3))")
    skipped = weaker.replace('it("divides"', 'it.skip("divides"').replace('it("refuses', 'it.only("refuses')
    aware = CALC.replace(
        "return a + b", "return process.env.NODE_TEST_CONTEXT ? 5 : 0; // eslint-disable-line"
    )

    result = await node_gate.check(
        "integrity",
        {
            "test/calc.test.js": skipped,
            "test/old.test.js": None,
            "src/calc.js": aware,
            "src/any.ts": "// @ts-ignore\nexport const a = 1;\n",
            "package.json": manifest(scripts={"test": "true"}),
            ".npmrc": "registry=https://packages.example.com/\n",
            "tsconfig.json": '{"compilerOptions": {"strict": false}}',
            "eslint.config.js": "export default [];\n",
            "src/__mocks__/calc.js": "export const add = () => 5;\n",
        },
    )

    assert result.outcome is Outcome.FAILED
    assert held(result) == {
        ("test-weakened", "test/calc.test.js"),
        ("test-skipped", "test/calc.test.js"),
        ("new-only", "test/calc.test.js"),
        ("test-removed", "test/old.test.js"),
        ("knows-of-tests", "src/calc.js"),
        ("new-eslint", "src/calc.js"),
        ("new-ts", "src/any.ts"),
        ("protected-manifest", "package.json"),
        ("protected-config", ".npmrc"),
        ("protected-config", "tsconfig.json"),
        ("protected-config", "eslint.config.js"),
        ("protected-config", "src/__mocks__/calc.js"),
    }


async def test_a_manifest_whose_tools_are_left_alone_is_nobodys_business(node_gate: GateFixture) -> None:
    """A version, a description and an entry point say nothing about how the change is judged."""
    more = {"version": "1.1.0", "description": "Sums.", "exports": "./src/calc.js"}

    result = await node_gate.check("integrity", {"package.json": manifest(**more)})

    assert result.outcome is Outcome.PASSED, result.reason


async def test_tests_are_run_as_the_trusted_manifest_says(node_gate: GateFixture) -> None:
    """A changed script neither replaces the runner nor keeps tests from being run."""
    changed = manifest(scripts={"test": "node -e 0"})

    result = await node_gate.check("tests", {"package.json": changed, "src/calc.js": BUG})

    assert rules_of(result) == {"test-failed"}


async def test_a_process_that_ends_early_proves_nothing(node_gate: GateFixture) -> None:
    """With exit code 0 in the middle, a run says nothing of the tests that are left."""
    at_once = await node_gate.check("tests", {"src/calc.js": f"{CALC}process.exit(0);\n"})
    later = CALC.replace("return a / b", "setImmediate(() => process.exit(0));\n  return a / b")
    some = await node_gate.check(
        "tests",
        {
            "src/calc.js": later,
            "test/calc.test.js": CALC_TEST.replace(
                'it("refuses zero", () => {',
                'it("refuses zero", async () => {\n    await new Promise((done) => setTimeout(done, 50));',
            ),
        },
    )

    assert (at_once.outcome, at_once.reason) == (Outcome.INCONCLUSIVE, "no tests were run")
    assert some.outcome is not Outcome.PASSED
    assert "refuses zero" in some.reason or some.outcome is Outcome.INCONCLUSIVE


async def test_a_new_test_that_does_not_run_is_held(node_gate: GateFixture) -> None:
    """It may wait for a machine, or for nobody; only a person can tell."""
    sleeping = CALC_TEST + 'if (process.platform === "none") {\n  test("sleeps", () => {});\n}\n'

    result = await node_gate.check("tests", {"test/calc.test.js": sleeping})

    assert (result.outcome, rules_of(result)) == (Outcome.HELD, {"test-not-run"})


async def test_changed_lines_must_be_run_and_noticed(node_gate: GateFixture) -> None:
    """A file that no test loads counts as not run, and a test that looks at nothing is none."""
    branches = "".join(f"  if (value === {n}) {{\n    return {n};\n  }}\n" for n in range(9))
    unrun = f"export function pick(value) {{\n{branches}  return 0;\n}}\n"
    blind = TWICE_TEST.replace("assert.equal(twice(4), 8)", "try {\n    twice(4);\n  } catch {}")

    alone = await node_gate.check("tests", {"src/pick.js": unrun})
    looking_away = await node_gate.check("tests", {"src/twice.js": TWICE, "test/twice.test.js": blind})

    assert (alone.outcome, rules_of(alone)) == (Outcome.FAILED, {"changed-lines-not-run", "coverage-fell"})
    assert {one.path for one in alone.findings} == {"src/pick.js", None}
    assert (looking_away.outcome, rules_of(looking_away)) == (Outcome.HELD, {"unnoticed-change"})


async def test_tests_that_notice_no_mutant_are_held(node_gate: GateFixture) -> None:
    """Code that takes the teeth out of the assertions is found by what its tests let pass."""
    toothless = 'import assert from "node:assert/strict";\n\nconst ours = assert;\nours.equal = () => {};\n'
    code = "export function grade(a) {\n  if (a > 3) {\n    return 7;\n  }\n  return a * 2 + 1;\n}\n"
    tested = (
        TWICE_TEST.replace("twice", "grade").replace("grade(4), 8", "grade(4), 700")
        + '\ntest("low", () => {\n  assert.equal(grade(1), -1);\n});\n'
    )

    result = await node_gate.check("tests", {"src/grade.js": toothless + code, "test/grade.test.js": tested})

    assert (result.outcome, rules_of(result)) == (Outcome.HELD, {"mutants-survive"})


async def test_old_failures_do_not_block_and_do_not_measure(node_gate: GateFixture) -> None:
    """A test that fails on the base is no news; lines that only it runs were measured by nobody."""
    broken = TWICE_TEST.replace("8);", "9);")
    node_gate.on_base({"src/twice.js": TWICE, "test/twice.test.js": broken})

    elsewhere = await node_gate.check("tests", {"src/calc.js": CALC.replace("a + b", "b + a")})
    only_there = await node_gate.check("tests", {"src/twice.js": TWICE.replace("2 * a", "a * 2")})

    assert elsewhere.outcome is Outcome.PASSED, elsewhere.reason
    assert only_there.outcome is Outcome.INCONCLUSIVE
    assert "src/twice.js lines 3 are reached only by tests that fail on the base too" in only_there.reason


@pytest.mark.slow
async def test_hangs_and_floods_end(node_gate: GateFixture) -> None:
    """What does not end is stopped, and what says too much is still read."""
    loop = CALC.replace("return a + b", "for (;;) {}\n  return a + b")
    flood = CALC.replace("return a + b", 'console.log("PASSED ".repeat(4000000));\n  return a - b')

    hung = await node_gate.check("tests", {"src/calc.js": loop}, limit_s=4.0)
    loud = await node_gate.check("tests", {"src/calc.js": flood})

    assert (hung.outcome, "ran past its limit of 4 s" in hung.reason) == (Outcome.INCONCLUSIVE, True)
    assert (loud.outcome, rules_of(loud)) == (Outcome.FAILED, {"test-failed"})


async def test_risky_calls_are_found_and_old_ones_are_old(node_gate: GateFixture) -> None:
    node_gate.on_base({"src/old.js": "export const old = (text) => eval(text);\n"})
    risky = (
        'import { exec } from "node:child_process";\n'
        'import https from "node:https";\n\n'
        "export function run(name) {\n"
        "  exec(`ls ${name}`);\n"
        '  return https.get("https://example.com", { rejectUnauthorized: false });\n'
        "}\n"
    )

    result = await node_gate.check(
        "security",
        {"src/risky.js": risky, "src/old.js": "// more\nexport const old = (text) => eval(text);\n"},
    )

    assert (result.outcome, rules_of(result)) == (
        Outcome.FAILED,
        {"shell-command", "certificate-not-verified"},
    )


async def test_what_a_lock_file_brings_in_is_looked_at(tmp_path: Path, osv: OsvFixture) -> None:
    """Where it comes from, under which name, with which hash, what it runs, and what is known of it."""
    host = "https://packages.example.com"
    good = {"name": "left", "version": "1.0.0", "resolved": f"{host}/left/-/left-1.0.0.tgz"}
    repo = node_project(
        tmp_path / "app",
        **{
            "package.json": manifest(dependencies={"left": "^1.0.0"}),
            "package-lock.json": lock(good, left="^1.0.0"),
        },
    )
    gate = GateFixture(repo, load_config(audit_osv_url=osv.url))
    osv.knows("npm", "leaky", "1.2.3", "GHSA-aaaa-bbbb-cccc", fixed="1.2.4")
    asked = {
        "left": "^1.0.0",
        "leaky": "^1.0.0",
        "loadsh": "1.0.0",
        "away": "git+https://example.com/a.git",
        "lost": "^2.0.0",
    }
    packages = (
        {**good, "integrity": "sha512-other"},
        {
            "name": "leaky",
            "version": "1.2.3",
            "resolved": f"{host}/leaky/-/leaky-1.2.3.tgz",
            "hasInstallScript": True,
        },
        {
            "name": "loadsh",
            "version": "1.0.0",
            "resolved": "https://elsewhere.example.com/loadsh-1.0.0.tgz",
            "integrity": "",
        },
        {"name": "away", "version": "1.0.0", "resolved": "git+ssh://git@example.com/a.git#abc"},
    )

    result = await gate.check(
        "deps",
        {
            "package.json": manifest(dependencies=asked),
            "package-lock.json": lock(
                *packages, **{name: spec for name, spec in asked.items() if name != "lost"}
            ),
        },
    )
    harmless = {"name": "right", "version": "1.0.0", "resolved": f"{host}/right/-/right-1.0.0.tgz"}
    honest = await gate.check(
        "deps",
        {
            "package.json": manifest(dependencies={"left": "^1.0.0", "right": "^1.0.0"}),
            "package-lock.json": lock(good, harmless, left="^1.0.0", right="^1.0.0"),
        },
    )

    assert result.outcome is Outcome.FAILED
    assert held(result) == {
        ("hash-changed", "package-lock.json"),
        ("install-script", "package-lock.json"),
        ("GHSA-aaaa-bbbb-cccc", "package.json"),
        ("look-alike-name", "package.json"),
        ("index-override", "package-lock.json"),
        ("not-hashed", "package-lock.json"),
        ("direct-requirement", "package.json"),
        ("direct-requirement", "package-lock.json"),
        ("not-locked", "package.json"),
    }
    assert honest.outcome is Outcome.PASSED, honest.reason
    assert "1 new packages audited" in honest.reason


async def test_an_audit_without_an_answer_is_no_pass(tmp_path: Path, osv: OsvFixture) -> None:
    repo = node_project(tmp_path / "app", **{"package-lock.json": lock()})
    gate = GateFixture(repo, load_config(audit_osv_url=osv.url))
    osv.answer["/v1/querybatch"] = (503, b"busy")

    result = await gate.check(
        "deps",
        {
            "package.json": manifest(dependencies={"right": "1.0.0"}),
            "package-lock.json": lock({"name": "right", "version": "1.0.0"}, right="1.0.0"),
        },
    )

    assert result.outcome is Outcome.INCONCLUSIVE
    assert "advisory service" in result.reason


async def test_a_project_of_another_package_manager_is_skipped_and_said(tmp_path: Path) -> None:
    """Nobody wrote a policy, and the base cannot be measured either: a reason that lies in its files."""
    wanted = manifest(dependencies={"left": "1.0.0"})
    files = {"package.json": wanted, "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}
    gate = GateFixture(node_project(tmp_path / "app", **files))

    result = await gate.check("tests", {"src/twice.js": TWICE})
    deps = await gate.check("deps", {"package.json": manifest(dependencies={"left": "1.0.1"})})

    assert result.outcome is Outcome.SKIPPED
    assert "cannot run on the base: pnpm-lock.yaml is a lock file of pnpm" in result.reason
    assert (deps.outcome, "pnpm-lock.yaml" in deps.reason) == (Outcome.INCONCLUSIVE, True)


async def test_what_cannot_be_installed_says_why(node_gate: GateFixture) -> None:
    """A foreign lock file, a package from a repository, packages that are part of the tree."""
    wanted = manifest(dependencies={"left": "1.0.0"})
    node_gate.on_base({"pev.toml": '[[project]]\nroot = "."\nlanguage = "javascript"\nchecks = ["tests"]\n'})

    yarn = await node_gate.check("tests", {"yarn.lock": "# yarn lockfile v1\n", "package.json": wanted})
    away = await node_gate.check(
        "tests", {"package.json": manifest(dependencies={"left": "github:someone/left"})}
    )
    out = await node_gate.check("tests", {"package-lock.json": lock({"name": "../../x", "version": "1.0.0"})})
    node_gate.repo.write({"node_modules/left/index.js": "module.exports = 1;\n"})
    node_gate.repo.git("add", "-f", "node_modules")
    brought = await node_gate.check("tests", {"src/calc.js": CALC + "\n"})

    assert {one.outcome for one in (yarn, away, out, brought)} == {Outcome.INCONCLUSIVE}
    assert "yarn.lock is a lock file of yarn, which is not read" in yarn.reason
    assert "asks for left from 'github:someone/left', which is no registry" in away.reason
    assert "leads out of the project" in out.reason
    assert "node_modules is part of the tree, and is not used" in brought.reason


async def test_workspaces_are_judged_each_and_see_one_another(tmp_path: Path) -> None:
    """A member imports its neighbour as it is in this checkout, not as it was when it was installed."""
    members = {f"packages/{name}": {"name": f"@app/{name}", "version": "1.0.0"} for name in ("low", "high")}
    links = {
        f"node_modules/@app/{name}": {"resolved": f"packages/{name}", "link": True}
        for name in ("low", "high")
    }
    root = {"name": "app", "workspaces": ["packages/*"]}
    own = {"name": "@app/low", "version": "1.0.0", "type": "module", "exports": "./calc.js"}
    locked = {"name": "app", "lockfileVersion": 3, "packages": {"": root, **members, **links}}
    high_test = CALC_TEST.replace("../src/calc.js", "@app/low")
    repo = UserRepoFixture.empty(tmp_path / "app")
    repo.commit(
        "first",
        {
            "package.json": json.dumps({**root, "private": True}),
            "package-lock.json": json.dumps(locked),
            "packages/low/package.json": json.dumps(own),
            "packages/low/calc.js": CALC,
            "packages/high/package.json": manifest(name="@app/high"),
            "packages/high/test/calc.test.js": high_test,
            "packages/high/src/calc.js": CALC,
        },
    )
    gate = GateFixture(repo)
    more = high_test.replace(
        'test("adds"', 'test("adds more", () => assert.equal(add(1, 1), 2));\n\ntest("adds"'
    )

    honest = await gate.check("tests", {"packages/high/test/calc.test.js": more})
    bug = await gate.check("tests", {"packages/low/calc.js": BUG})

    assert honest.outcome is Outcome.PASSED, honest.reason
    assert bug.outcome is Outcome.FAILED, bug.reason
    assert {one.path for one in bug.findings} == {"packages/high/test/calc.test.js"}
