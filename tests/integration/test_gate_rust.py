"""A crate in Rust: an honest change passes, and the ways to talk a gate past it do not."""

import shutil
from pathlib import Path

import pytest

from conftest import REAL_HOME
from pev.config import load_config
from pev.findings import Effect, Outcome
from pev.gate.rust.lockfile import CENTRAL
from support.crates import serve_crates
from support.gates import GateFixture, of, plan_for, rules_of
from support.osv import OsvFixture
from support.rust import CALC, CARGO, DOUBLE, IT, LIB, LOCK, rust_crate, show_toolchain

pytestmark = pytest.mark.needs_cargo


@pytest.fixture(autouse=True)
def _toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    show_toolchain(REAL_HOME, monkeypatch)


@pytest.fixture
def rust_gate(tmp_path: Path) -> GateFixture:
    return GateFixture(rust_crate(tmp_path / "app"))


async def test_an_honest_change_passes_all_checks(rust_gate: GateFixture) -> None:
    """Nobody wrote a policy: the crate was found, and each of its checks ran with the installed Rust."""
    report = await rust_gate.judge({"src/calc.rs": DOUBLE})

    assert report.outcome is Outcome.PASSED, report.reason
    assert {one.check for one in report.checks if "rustc" in one.tools} == {
        "format",
        "lint",
        "types",
        "tests",
    }
    said = of(report, "tests").reason
    assert said.startswith(
        "5 passed, coverage is not measured for rust, tests fail without 1 changed function"
    )
    assert rust_gate.environments() == []


async def test_what_compiler_clippy_and_rustfmt_say(rust_gate: GateFixture) -> None:
    """Errors and warnings of the compiler block; clippy's style is told where nobody chose it."""
    rust_gate.on_base({"src/old.rs": "pub fn old( ) {}\n", "src/lib.rs": LIB + "pub mod old;\n"})
    files = {
        "src/more.rs": "pub fn more( a: i32) -> i32 {\n    let unused = 1;\n    return a;\n}\n",
        "src/lib.rs": LIB + "pub mod more;\npub mod old;\n",
        "src/old.rs": "pub fn old( ) { }\n",
    }

    report = await rust_gate.judge(files)
    wrong = await rust_gate.check("types", {"tests/outside.rs": IT.replace("42)", '"42")')})

    assert report.outcome is Outcome.FAILED
    found = {(one.check, one.rule, one.path, one.effect) for one in report.findings if one.counts()}
    assert {one for one in found if one[0] in ("format", "lint", "types")} == {
        ("format", "unformatted", "src/more.rs", Effect.BLOCKS),
        ("lint", "unused_variables", "src/more.rs", Effect.BLOCKS),
        ("lint", "clippy::needless_return", "src/more.rs", Effect.NOTES),
    }
    assert [(one.rule, one.path, one.line) for one in wrong.findings] == [("E0308", "tests/outside.rs", 3)]


async def test_what_tells_the_gate_to_look_away_is_found(rust_gate: GateFixture) -> None:
    """Suppressions, lost and weaker tests inside product files, steering files, code that knows of tests."""
    rust_gate.on_base({"clippy.toml": "too-many-arguments-threshold = 5\n"})
    knowing = '    if std::env::var("RUST_TEST_THREADS").is_ok() || cfg!(test) {\n        return 5;\n    }\n'
    weak = (
        CALC.replace("assert_eq!(add(2, 3), 5);", "assert!(add(2, 3) != 0);")
        .replace("    fn divides", '    #[ignore = "later"]\n    fn divides')
        .replace(
            "    a + b",
            f"{knowing}    a + b",
        )
        .replace("pub fn divide", "#[allow(clippy::all)]\npub fn divide")
    )

    result = await rust_gate.check(
        "integrity",
        {
            "src/calc.rs": weak,
            "clippy.toml": "too-many-arguments-threshold = 50\n",
            "Cargo.toml": CARGO + '\n[lints.clippy]\nall = "allow"\n',
            "build.rs": "fn main() {}\n",
            ".cargo/config.toml": '[build]\nrustflags = ["-Aall"]\n',
            "rust-toolchain.toml": '[toolchain]\nchannel = "nightly"\n',
            "tests/outside.rs": None,
        },
    )

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {
        "protected-config",
        "protected-manifest",
        "knows-of-tests",
        "new-allow",
        "test-weakened",
        "test-skipped",
        "test-removed",
    }
    held = {one.path for one in result.findings if one.rule == "protected-config"}
    assert held == {"clippy.toml", "build.rs", ".cargo/config.toml", "rust-toolchain.toml"}


async def test_steering_files_of_a_change_are_not_used(rust_gate: GateFixture) -> None:
    """Neither its lints, nor its flags, nor its tool chain, nor a target without tests."""
    files = {
        "src/calc.rs": CALC.replace("    a + b", "    let unused = 1;\n    a - b"),
        "Cargo.toml": CARGO + '\n[lib]\ntest = false\n\n[lints.rust]\nwarnings = "allow"\n',
        ".cargo/config.toml": '[build]\nrustflags = ["-Awarnings"]\nrustc-wrapper = "/bin/true"\n',
        "rust-toolchain.toml": '[toolchain]\nchannel = "none-such"\n',
        "build.rs": 'fn main() {\n    panic!("never run");\n}\n',
    }

    lint = await rust_gate.check("lint", files)
    tests = await rust_gate.check("tests", files)

    assert (lint.outcome, rules_of(lint)) == (Outcome.FAILED, {"unused_variables"})
    assert tests.outcome is Outcome.FAILED
    assert {one.message.partition(":: ")[0].split(": ")[0] for one in tests.findings if one.counts()} == {
        "src::calc::tests::adds",
        "tests/outside.rs::adds_from_outside",
    }


# Tests


async def test_the_base_tests_face_a_change_that_bends_its_own(rust_gate: GateFixture) -> None:
    bent = IT.replace("42);", "43);")
    wrong = CALC.replace("    a + b", "    a + b + 1").replace("add(2, 3), 5", "add(2, 3), 6")

    result = await rust_gate.check("tests", {"src/calc.rs": wrong, "tests/outside.rs": bent})

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {"base-test-failed"}


@pytest.mark.parametrize(
    ("files", "outcome", "word"),
    [
        (
            {"src/calc.rs": CALC.replace("    a + b", "    std::process::exit(0);\n    a + b")},
            Outcome.INCONCLUSIVE,
            "ended by itself, with exit code 0",
        ),
        (
            {
                "src/calc.rs": CALC.replace("    Some(a / b)", "    Some(a / b + b - b)\n").replace(
                    "#[cfg(test)]", "#[cfg(any())]"
                )
            },
            Outcome.HELD,
            "test-not-run",
        ),
        (
            {
                "src/calc.rs": CALC.replace(
                    "/// Gives the q", "pub fn twice(a: i32) -> i32 {\n    2 * a\n}\n\n/// Gives the q"
                )
            },
            Outcome.HELD,
            "unnoticed-change",
        ),
        ({"src/calc.rs": CALC.replace("    a + b", "    a - b")}, Outcome.FAILED, "2 tests fail"),
    ],
    ids=["exit in a test", "tests left out", "not tested", "wrong"],
)
async def test_a_run_of_tests_cannot_be_talked_into_passing(
    rust_gate: GateFixture, files: dict[str, str], outcome: Outcome, word: str
) -> None:
    result = await rust_gate.check("tests", files)

    assert result.outcome is outcome, result.reason
    assert word in result.reason or word in rules_of(result), result.reason


async def test_tests_may_move_and_old_failures_do_not_block(rust_gate: GateFixture) -> None:
    """A test that only got another name or place is not lost; what fails on the base is old."""
    rust_gate.on_base({"tests/old.rs": '#[test]\nfn old() {\n    panic!("as ever");\n}\n'})
    moved = DOUBLE.replace("fn adds()", "fn sums()")

    fine = await rust_gate.check("tests", {"src/calc.rs": moved})

    assert (fine.outcome, "1 failed" in fine.reason) == (Outcome.PASSED, True), fine.reason


@pytest.mark.slow
async def test_hangs_end_and_floods_hide_nothing(rust_gate: GateFixture) -> None:
    hang = CALC.replace("    a + b", "    loop {\n        std::hint::spin_loop();\n    }")
    flood = CALC.replace(
        "    a + b",
        "    use std::io::Write;\n    let mut out = std::io::stdout();\n    for _ in 0..300_000 {\n"
        '        let _ = out.write_all(b"test calc::tests::adds ... ok\\n");\n    }\n    a - b',
    )

    stuck = await rust_gate.check("tests", {"src/calc.rs": hang}, limit_s=6)
    drowned = await rust_gate.check("tests", {"src/calc.rs": flood})

    assert stuck.outcome is Outcome.INCONCLUSIVE
    assert "ran past its limit" in stuck.reason
    assert drowned.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)


async def test_without_rust_nothing_passes(
    rust_gate: GateFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("git", "sleep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    result = await rust_gate.check("tests", {"src/calc.rs": DOUBLE})

    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.reason.startswith("rust is not installed here")


# Dependencies


def _row(name: str, version: str, source: str, checksum: str = "a" * 64) -> str:
    more = f'checksum = "{checksum}"\n' if checksum else ""
    return f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = "{source}"\n{more}'


async def test_where_crates_come_from_is_told(rust_gate: GateFixture, osv: OsvFixture) -> None:
    osv.knows("crates.io", "bad", "1.0.0", "RUSTSEC-2026-0001", fixed="1.0.1")
    rust_gate.on_base(
        {"Cargo.lock": LOCK + _row("old", "1.0.0", CENTRAL), "Cargo.toml": CARGO + 'old = "1"\n'}
    )
    gate = GateFixture(rust_gate.repo, load_config())
    lock = LOCK + _row("old", "1.0.0", CENTRAL, "b" * 64) + _row("bad", "1.0.0", CENTRAL)
    lock += _row("plain", "1.0.0", CENTRAL, "") + _row("far", "1.0.0", "registry+https://example.com/index")
    asked = (
        CARGO
        + 'old = "1"\nbad = "1"\nplain = "1"\nfar = "1"\nlost = "1"\n'
        + 'gone = { git = "https://example.com/gone" }\n'
    )

    result = await gate.check("deps", {"Cargo.toml": asked, "Cargo.lock": lock})

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {
        "RUSTSEC-2026-0001",
        "checksum-changed",
        "no-checksum",
        "foreign-source",
        "not-locked",
        "direct-requirement",
    }
    assert {name for _, name, _ in osv.asked} == {"bad", "plain", "far"}


async def test_a_crate_of_the_registry_is_not_swapped_for_a_folder(rust_gate: GateFixture) -> None:
    """A folder of the change that takes the name of a test library is not that library."""
    rust_gate.on_base({"Cargo.toml": CARGO + '[dev-dependencies]\nproptest = "1"\n'})
    shim = {"shim/Cargo.toml": CARGO.replace('"app"', '"proptest"'), "shim/src/lib.rs": "//! Nothing.\n"}

    result = await rust_gate.check(
        "deps", {"Cargo.toml": CARGO + '[dev-dependencies]\nproptest = { path = "shim" }\n', **shim}
    )

    assert (result.outcome, rules_of(result)) == (Outcome.FAILED, {"direct-requirement"})


async def test_what_is_locked_elsewhere_is_not_had(rust_gate: GateFixture) -> None:
    """No repository and no other registry is ever asked for code."""
    lock = LOCK + _row("far", "1.0.0", "git+https://example.com/far#0123")

    result = await rust_gate.check("types", {"Cargo.toml": CARGO + 'far = "1"\n', "Cargo.lock": lock})

    assert (result.outcome, "not from the registry" in result.reason) == (Outcome.INCONCLUSIVE, True)


async def test_a_plan_lets_a_build_script_run(rust_gate: GateFixture) -> None:
    """What a person approved is used: the script runs, in the sandbox, and the crate sees what it made."""
    script = (
        'fn main() {\n    let out = std::env::var("OUT_DIR").unwrap();\n'
        '    std::fs::write(format!("{out}/made.rs"), "pub const MADE: i32 = 7;").unwrap();\n}\n'
    )
    made = 'include!(concat!(env!("OUT_DIR"), "/made.rs"));\n'
    files = {"build.rs": script, "src/made.rs": made, "src/lib.rs": LIB + "pub mod made;\n"}

    held = await rust_gate.check("integrity", files)
    planned = await rust_gate.check("types", files, plan=plan_for("build.rs", "src/made.rs", "src/lib.rs"))

    assert (held.outcome, rules_of(held)) == (Outcome.HELD, {"protected-config"})
    assert planned.outcome is Outcome.PASSED, planned.reason


async def test_crates_are_had_from_the_operators_mirror(
    rust_gate: GateFixture, osv: OsvFixture, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change locks a crate; it is had outside of the sandbox, and held to its checksum."""
    assert osv.asked == []
    monkeypatch.delenv("CARGO_HOME", raising=False)
    with serve_crates() as mirror:
        mirror.offer("pevdep", "1.2.3", "pub fn seven() -> i32 {\n    7\n}\n")
        (own_home / ".cargo").mkdir()
        (own_home / ".cargo" / "config.toml").write_text(mirror.settings())
        lock = (
            LOCK
            + 'dependencies = [\n "pevdep",\n]\n'
            + _row("pevdep", "1.2.3", CENTRAL, mirror.checksums["pevdep"])
        )
        use = "//! Uses a crate.\n\n/// Gives seven.\npub fn seven() -> i32 {\n    pevdep::seven()\n}\n"
        files = {
            "Cargo.toml": CARGO + 'pevdep = "1"\n',
            "Cargo.lock": lock,
            "src/lib.rs": LIB + "pub mod seven;\n",
            "src/seven.rs": use,
            "tests/seven.rs": "#[test]\nfn seven() {\n    assert_eq!(app::seven::seven(), 7);\n}\n",
        }
        gate = GateFixture(rust_gate.repo, load_config())

        good = await gate.judge(files)
        forged = {**files, "Cargo.lock": lock.replace(mirror.checksums["pevdep"], "a" * 64)}
        cheat = await gate.check("tests", forged)

    assert good.outcome is Outcome.PASSED, good.reason
    assert of(good, "deps").reason == "1 new crates audited"
    assert (cheat.outcome, "cannot be had" in cheat.reason) == (Outcome.INCONCLUSIVE, True), cheat.reason
