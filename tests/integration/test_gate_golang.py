"""A module in Go: an honest change passes, and the ways to talk a gate past it do not."""

import shutil
from pathlib import Path

import pytest

from pev.findings import Effect, Outcome
from support.gates import GateFixture, of, plan_for, rules_of
from support.golang import CALC, CALC_TEST, DOUBLE, DOUBLE_TEST, GO_MOD, MAIN

pytestmark = pytest.mark.needs_go


async def test_an_honest_change_passes_all_checks(go_gate: GateFixture) -> None:
    """Nobody wrote a policy: the module was found, and each of its checks ran with the installed Go."""
    report = await go_gate.judge({"calc/calc.go": DOUBLE, "calc/calc_test.go": DOUBLE_TEST})

    assert report.outcome is Outcome.PASSED, report.reason
    assert {one.check for one in report.checks if one.tools.get("go")} == {"format", "lint", "types", "tests"}
    said = of(report, "tests").reason
    assert "5 passed" in said
    assert "100 % of 2 changed lines run, tests fail without 1 changed function" in said
    assert go_gate.environments() == []
    (seed,) = (go_gate.config.cache_dir / "go" / "seeds").iterdir()
    assert (seed / "pev-complete").is_file()  # Go's own packages are compiled once, not in each checkout


async def test_what_compiler_vet_and_gofmt_say_blocks(go_gate: GateFixture) -> None:
    """Each finding names its line, and what was there before is old."""
    go_gate.on_base({"old/old.go": "package old\nfunc  F() {}\n"})
    bad = 'package calc\nimport "fmt"\nfunc  F(a int) { fmt.Printf("%s", a) }\n'
    wrong = 'package wrong\n\nfunc F() int {\n\treturn "a"\n}\n'

    report = await go_gate.judge(
        {"calc/bad.go": bad, "wrong/wrong.go": wrong, "old/old.go": "package old\nfunc  F() { }\n"}
    )

    found = {
        (one.check, one.rule, one.path, one.line)
        for one in report.findings
        if one.counts() and one.check in ("format", "lint", "types")
    }
    assert found == {
        ("format", "unformatted", "calc/bad.go", 1),
        ("lint", "printf", "calc/bad.go", 3),
        ("lint", "typecheck", "wrong/wrong.go", 4),
        ("types", "compile", "wrong/wrong.go", 4),
    }


async def test_types_of_tests_are_checked_and_nothing_is_run(go_gate: GateFixture) -> None:
    ran = (
        'package calc\n\nimport (\n\t"os"\n\t"testing"\n)\n\nfunc TestMain(m *testing.M) {\n\tos.Exit(3)\n}\n'
    )

    clean = await go_gate.check("types", {"calc/main_test.go": ran})
    wrong = await go_gate.check("types", {"calc/x_test.go": "package calc\n\nvar x int = Add\n"})

    assert clean.outcome is Outcome.PASSED, clean.reason
    assert (wrong.outcome, [one.path for one in wrong.findings]) == (Outcome.FAILED, ["calc/x_test.go"])


async def test_what_tells_the_gate_to_look_away_is_found(go_gate: GateFixture) -> None:
    """Suppressions, lost and skipped tests, redirected modules, and code that knows that it is tested."""
    go_gate.on_base(
        {
            ".golangci.yml": "run: {}\n",
            "calc/more_test.go": CALC_TEST.replace("Test", "TestMore").replace("2, 3", "4, 1"),
        }
    )
    weak = CALC_TEST.replace(
        '\tif got := Add(2, 3); got != 5 {\n\t\tt.Errorf("Add(2, 3) = %d", got)\n\t}\n', "\tAdd(2, 3)\n"
    )
    skipped = weak.replace("if got, err := Divide(6, 2)", 't.Skip("later")\n\t\tif got, err := Divide(6, 2)')
    knowing = CALC.replace(
        "return a + b", 'if flag.Lookup("test.v") != nil {\n\t\treturn 5\n\t}\n\treturn a + b'
    )

    result = await go_gate.check(
        "integrity",
        {
            ".golangci.yml": "linters: {disable-all: true}\n",
            "go.mod": GO_MOD + "\nreplace example.com/a => ../a\n",
            "calc/calc.go": knowing.replace("func Divide", "//nolint:all\nfunc Divide"),
            "calc/calc_test.go": skipped,
            "calc/more_test.go": None,
            "calc/late_test.go": "//go:build integration\n\n" + CALC_TEST.replace("Test", "TestLate"),
        },
    )

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {
        "protected-config",
        "protected-manifest",
        "knows-of-tests",
        "new-nolint",
        "new-build-constraint",
        "test-weakened",
        "test-skipped",
        "test-removed",
    }


async def test_a_protected_go_mod_is_not_used(go_gate: GateFixture) -> None:
    """The change asks for a module of its own; the trusted go.mod counts, and it does not build."""
    files = {
        "go.mod": GO_MOD + "\nrequire example.com/x v1.0.0\n\nreplace example.com/x => ./x\n",
        "x/go.mod": "module example.com/x\n",
        "x/x.go": "package x\n",
        "calc/x.go": 'package calc\n\nimport _ "example.com/x"\n',
    }

    held = await go_gate.check("types", files)
    planned = await go_gate.check("types", files, plan=plan_for("go.mod", "x/", "calc/x.go"))

    assert held.outcome is Outcome.FAILED, held.reason
    assert planned.outcome is Outcome.PASSED, planned.reason


# Tests


async def test_the_base_tests_face_a_change_that_bends_its_own(go_gate: GateFixture) -> None:
    bent = CALC_TEST.replace("got != 5", "got != 6")

    result = await go_gate.check(
        "tests", {"calc/calc.go": CALC.replace("a + b", "a + b + 1"), "calc/calc_test.go": bent}
    )

    assert result.outcome is Outcome.FAILED
    (found,) = [one for one in result.findings if one.rule == "base-test-failed"]
    assert (found.path, "TestAdd" in found.message) == ("calc/calc_test.go", True)


@pytest.mark.parametrize(
    ("files", "outcome", "word"),
    [
        (
            {"calc/quit.go": 'package calc\n\nimport "syscall"\n\nfunc init() {\n\tsyscall.Exit(0)\n}\n'},
            Outcome.INCONCLUSIVE,
            "no tests were run",
        ),
        (
            {
                "calc/main_test.go": 'package calc\n\nimport (\n\t"os"\n\t"testing"\n)\n\n'
                "func TestMain(m *testing.M) {\n\tos.Exit(0)\n}\n"
            },
            Outcome.INCONCLUSIVE,
            "no tests were run",
        ),
        (
            {
                "calc/calc.go": CALC.replace("return a + b", "syscall.Exit(0)\n\treturn a + b").replace(
                    'import "errors"', 'import (\n\t"errors"\n\t"syscall"\n)'
                )
            },
            Outcome.INCONCLUSIVE,
            "ended by itself during TestAdd",
        ),
        (
            {"calc/calc.go": CALC + "\nfunc Twice(a int) int {\n\treturn a * 2\n}\n"},
            Outcome.FAILED,
            "coverage is 60.00 %",
        ),
        (
            {
                "calc/calc.go": DOUBLE,
                "calc/double_test.go": 'package calc\n\nimport "testing"\n\nfunc TestDouble(t *testing.T) {\n'
                "\tdefer func() { _ = recover() }()\n\tDouble(4)\n}\n",
            },
            Outcome.HELD,
            "none fails when it fails at once",
        ),
        (
            {
                "calc/calc.go": CALC + "\nfunc Big(a int) bool {\n\treturn a > 10 && a < 100\n}\n",
                "calc/big_test.go": 'package calc\n\nimport "testing"\n\nfunc TestBig(t *testing.T) {\n'
                "\t_ = Big(50)\n}\n",
            },
            Outcome.HELD,
            "they pass with mutants of Big",
        ),
        (
            {"calc/calc.go": CALC.replace("return a + b", "return a - b")},
            Outcome.FAILED,
            "1 test fails, first calc::TestAdd",
        ),
    ],
    ids=[
        "exit at start",
        "TestMain",
        "exit in a test",
        "not run",
        "nothing asserted",
        "little asserted",
        "wrong",
    ],
)
async def test_a_run_of_tests_cannot_be_talked_into_passing(
    go_gate: GateFixture, files: dict[str, str], outcome: Outcome, word: str
) -> None:
    result = await go_gate.check("tests", files)

    assert result.outcome is outcome, result.reason
    assert word in result.reason


async def test_tests_may_move_to_another_file(go_gate: GateFixture) -> None:
    """The base's file holds what the new one holds too, and Go builds a package's test files together."""
    head, add, divide = CALC_TEST.partition("func TestAdd")[0], "func TestAdd", "func TestDivide"
    at = CALC_TEST.index(divide)

    result = await go_gate.check(
        "tests",
        {
            "calc/calc_test.go": head + CALC_TEST[at:],
            "calc/add_test.go": head + CALC_TEST[CALC_TEST.index(add) : at].rstrip() + "\n",
            "calc/calc.go": CALC.replace("return a + b", "return b + a"),
        },
    )

    assert result.outcome is Outcome.PASSED, result.reason


async def test_a_new_test_main_is_held(go_gate: GateFixture) -> None:
    """It is the harness of its package, however honest it looks."""
    honest = (
        'package calc\n\nimport (\n\t"os"\n\t"testing"\n)\n\n'
        "func TestMain(m *testing.M) {\n\tos.Exit(m.Run())\n}\n"
    )

    result = await go_gate.check("tests", {"calc/main_test.go": honest})
    named = await go_gate.check("tests", {"calc/main_test.go": honest}, plan=plan_for("calc/main_test.go"))

    assert (result.outcome, rules_of(result)) == (Outcome.HELD, {"steers-tests"})
    assert named.outcome is Outcome.PASSED, named.reason


async def test_old_failures_do_not_block(go_gate: GateFixture) -> None:
    failing = (
        CALC_TEST.replace("TestAdd", "TestOld").replace("!= 5", "!= 7").replace("TestDivide", "TestOldToo")
    )
    go_gate.on_base(
        {
            "old/old_test.go": failing.replace("package calc", "package old").replace(
                '"testing"', '(\n\t. "example.com/app/calc"\n\t"testing"\n)'
            )
        }
    )

    fine = await go_gate.check("tests", {"calc/calc.go": DOUBLE, "calc/calc_test.go": DOUBLE_TEST})

    assert (fine.outcome, "1 failed" in fine.reason) == (Outcome.PASSED, True), fine.reason


@pytest.mark.slow
async def test_a_hang_ends(go_gate: GateFixture) -> None:
    hang = CALC.replace("return a + b", "for {\n\t}")

    stuck = await go_gate.check("tests", {"calc/calc.go": hang}, limit_s=4)

    assert stuck.outcome is Outcome.INCONCLUSIVE
    assert "ran past its limit" in stuck.reason


@pytest.mark.slow
async def test_a_flood_of_output_hides_nothing(go_gate: GateFixture) -> None:
    flood = 'fmt.Println(strings.Repeat("--- PASS: TestAdd (0.00s)\\n", 50000))\n\treturn a - b'
    text = CALC.replace("return a + b", flood).replace('"errors"', '(\n\t"errors"\n\t"fmt"\n\t"strings"\n)')

    result = await go_gate.check("tests", {"calc/calc.go": text})

    assert result.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)


async def test_without_go_nothing_passes(
    go_gate: GateFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("git", "sleep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    report = await go_gate.judge({"calc/calc.go": DOUBLE})

    said = {one.check: (one.outcome, one.reason) for one in report.checks}
    assert said["tests"] == (Outcome.INCONCLUSIVE, "go is not installed here. Install Go 1.19 or later.")
    assert report.outcome is Outcome.INCONCLUSIVE


async def test_a_program_of_its_own_counts_as_a_package(go_gate: GateFixture) -> None:
    """Changed lines of a main package that no test loads are not run."""
    result = await go_gate.check("tests", {"main.go": MAIN.replace("calc.Add(1, 2)", "calc.Add(1, 3)")})

    assert result.outcome is Outcome.FAILED
    assert {one.path for one in result.findings if one.counts()} >= {"main.go"}


async def test_risky_code_is_found_in_whatever_language(go_gate: GateFixture) -> None:
    shell = (
        'package calc\n\nimport "os/exec"\n\n// Run runs.\nfunc Run(a string) error {\n'
        '\treturn exec.Command("sh", "-c", a).Run()\n}\n'
    )

    result = await go_gate.check(
        "security",
        {"calc/run.go": shell, "calc/fast.s": "TEXT x(SB),0,$0\n", "calc/run_test.go": shell},
    )

    assert result.outcome is Outcome.FAILED
    assert {(one.rule, one.path, one.effect) for one in result.findings} == {
        ("shell-command", "calc/run.go", Effect.BLOCKS),
        ("shell-command", "calc/run_test.go", Effect.HOLDS),
        ("foreign-code", "calc/fast.s", Effect.HOLDS),
    }
