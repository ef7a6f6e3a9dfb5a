"""What test programs of Rust said, how tests are named, and how manifests and lock files are read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.rust.lockfile import CENTRAL, read_asked, read_lock
from pev.gate.rust.manifest import CargoManifest
from pev.gate.rust.report import id_of_doc, id_of_path, id_of_target, listed, read_said
from pev.gate.rust.rows import rows_of
from pev.gate.rust.tests import RustTests
from pev.gate.testing_runs import Result
from pev.proc import Completed, Ending


def done(text: str, code: int = 0, ending: Ending = Ending.EXITED) -> Completed:
    return Completed((), code, ending, text.encode(), b"", 0, 0.1)


def summed(passed: int, failed: int, ignored: int = 0) -> str:
    word = "FAILED" if failed else "ok"
    return f"\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured\n"


GOOD = f"running 2 tests\ntest a::b ... ok\ntest a::c - should panic ... ok\n{summed(2, 0)}"
BAD = f"""\
test a::b ... FAILED
test a::c ... ignored, later

failures:

---- a::b stdout ----

thread 'a::b' (12) panicked at src/a.rs:7:5:
assertion `left == right` failed
  left: 5
 right: 6
note: run with `RUST_BACKTRACE=1`

failures:
    a::b
{summed(0, 1, 1)}"""


def test_a_run_that_agrees_with_itself_is_believed() -> None:
    said = read_said(done(GOOD), ["a::b", "a::c"])

    assert said.fault is None
    assert set(said.results.values()) == {Result.PASSED}


def test_a_failure_says_where_and_why() -> None:
    said = read_said(done(BAD, 101), ["a::b", "a::c"])

    assert said.fault is None
    assert said.results == {"a::b": Result.FAILED, "a::c": Result.SKIPPED}
    why = said.why["a::b"]
    assert (why.path, why.line) == ("src/a.rs", 7)
    assert why.reason == "assertion `left == right` failed left: 5 right: 6"


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("", 0, "said nothing of a::b"),
        ("test a::b ... ok\n", 0, "said nothing of a::c"),
        (GOOD, 101, "the report names none, the exit code is 101"),
        (BAD, 0, "the report names failures, the exit code is 0"),
        (GOOD.replace("2 passed", "3 passed"), 0, "the report counts 3 passed tests"),
        ("test x ... ok\n" + GOOD, 0, "names x, which is no test"),
    ],
)
def test_a_report_that_does_not_agree_is_not_believed(text: str, code: int, word: str) -> None:
    assert word in str(read_said(done(text, code), ["a::b", "a::c"]).fault)


@given(text=st.text(max_size=300))
def test_any_output_gives_an_answer(text: str) -> None:
    read_said(done(text), ["a"])
    rows_of(text.encode())


def test_tests_are_listed_as_programs_list_them() -> None:
    assert listed(b"a::b: test\nbench: benchmark\n\n1 test, 1 benchmark\n") == ["a::b"]


@pytest.mark.parametrize(
    ("path", "source", "kind", "name"),
    [
        ("src/lib.rs", "src/lib.rs", "lib", "tests::t"),
        ("src/calc.rs", "src/lib.rs", "lib", "calc::tests::t"),
        ("src/a/mod.rs", "src/main.rs", "bin", "a::tests::t"),
        ("src/a/b.rs", "src/lib.rs", "lib", "a::b::tests::t"),
        ("src/bin/x.rs", "src/bin/x.rs", "bin", "tests::t"),
        ("crates/c/src/calc.rs", "crates/c/src/lib.rs", "lib", "calc::tests::t"),
        ("tests/it.rs", "tests/it.rs", "test", "tests::t"),
        ("crates/c/tests/it.rs", "crates/c/tests/it.rs", "test", "tests::t"),
        ("tests/big/main.rs", "tests/big/main.rs", "test", "tests::t"),
    ],
)
def test_a_written_test_and_a_reported_one_have_one_name(
    path: str, source: str, kind: str, name: str
) -> None:
    assert id_of_path(path, "tests::t") == id_of_target(source, [kind], name)


def test_what_cannot_be_told_has_no_name() -> None:
    assert (id_of_path("tests/common/mod.rs", "t"), id_of_path("lib/odd.rs", "t")) == ("", "")
    assert id_of_doc("src/a.rs - a::f (line 12)") == "doc src/a.rs - a::f"


def test_messages_of_the_compiler_are_read_once() -> None:
    span = {"is_primary": True, "file_name": "src/a.rs", "line_start": 3}
    message = {"level": "error", "message": "wrong", "code": {"code": "E0308"}, "spans": [span]}
    total: dict[str, object] = {
        "level": "error",
        "message": "aborting due to 1 previous error",
        "code": None,
        "spans": [],
    }
    lines = [{"reason": "compiler-message", "message": one} for one in (message, message, total)]
    raw = "\n".join(map(json.dumps, [*lines, message])).encode()

    (row,) = rows_of(raw)

    assert (row.rule, row.level, row.path, row.line, row.text) == ("E0308", "error", "src/a.rs", 3, "wrong")


def test_what_tests_build_and_do_not_run_is_not_broken() -> None:
    """No test could notice it, and an example is no product."""
    source, line = "fn show() {\n    run();\n}\n", frozenset({2})

    assert list(RustTests().breaks("examples/show.rs", source, line)) == []
    assert [one.name for one in RustTests().breaks("src/show.rs", source, line)] == ["show"]


# Manifests and lock files

TOML = """\
[package]
name = "app"
version = "0.1.0"
build = "build.rs"

[lib]
test = true

[dependencies]
a = "1"

[profile.test]
opt-level = 1

[[bin]]
name = "tool"
path = "src/tool.rs"
test = true
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('build = "build.rs"', 'build = "other.rs"'),
        ("[lib]\ntest = true", "[lib]\ntest = false"),
        ("[lib]", "[lib]\nharness = false"),
        ("opt-level = 1", "debug-assertions = false"),
        ('path = "src/tool.rs"\ntest = true', 'path = "src/tool.rs"\ntest = false'),
        ("[dependencies]", '[lints.rust]\nwarnings = "allow"\n\n[dependencies]'),
        ("[dependencies]", '[patch.crates-io]\na = { path = "x" }\n\n[dependencies]'),
        ("[dependencies]", '[[test]]\nname = "it"\nharness = false\n\n[dependencies]'),
        ("[dependencies]", "[workspace]\nmembers = []\n\n[dependencies]"),
        ('version = "0.1.0"', 'version = "0.1.0"\nautotests = false'),
    ],
)
def test_what_steers_is_guarded_and_put_back(before: str, after: str) -> None:
    manifest = CargoManifest()
    own = TOML.replace(before, after).replace('a = "1"', 'a = "1"\nb = "2"').encode()

    restored = manifest.restored(trusted=TOML.encode(), own=own)

    assert manifest.guarded(own) != manifest.guarded(TOML.encode())
    assert restored is not None
    assert manifest.guarded(restored) == manifest.guarded(TOML.encode())
    assert {one.name for one in read_asked("Cargo.toml", restored) or ()} == {"a", "b"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('version = "0.1.0"', 'version = "0.2.0"'),
        ('a = "1"', 'a = "2"'),
        ("[dependencies]", "[features]\nx = []\n\n[dependencies]"),
    ],
)
def test_what_does_not_steer_is_the_changes_own(before: str, after: str) -> None:
    own = TOML.replace(before, after).encode()

    assert CargoManifest().guarded(own) == CargoManifest().guarded(TOML.encode())
    assert CargoManifest().restored(trusted=TOML.encode(), own=own) == own
    assert CargoManifest().guarded(b"[") is None


def test_a_lock_file_says_where_packages_come_from() -> None:
    rows = [
        '[[package]]\nname = "app"\nversion = "0.1.0"\n',
        f'[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "{CENTRAL}"\nchecksum = "{"0" * 64}"\n',
        f'[[package]]\nname = "b"\nversion = "1.0.0"\nsource = "{CENTRAL}"\n',
        '[[package]]\nname = "c"\nversion = "1.0.0"\nsource = "git+https://example.com/c#1"\n',
        f'[[package]]\nname = "../d"\nversion = "1.0.0"\nsource = "{CENTRAL}"\nchecksum = "{"0" * 64}"\n',
    ]

    found = read_lock("\n".join(rows).encode()) or ()

    assert [(one.central, one.sound) for one in found] == [
        (False, True),
        (True, True),
        (True, False),
        (False, True),
        (True, False),
    ]
    assert read_lock(b"[") is None
    assert read_lock(b'package = "a"') is None
    assert read_lock(None) == ()


@pytest.mark.parametrize(
    ("line", "origin", "leaves"),
    [
        ('a = "1"', "", False),
        ('a = { git = "https://example.com/a" }', "git", False),
        ('a = { version = "1", registry = "mine" }', "registry", False),
        ('a = { path = "../b" }', "path", False),
        ('a = { path = "../../b" }', "path", True),
        ('a = { path = "/b" }', "path", True),
    ],
)
def test_what_a_manifest_asks_for_says_where_it_comes_from(line: str, origin: str, leaves: bool) -> None:
    for table in (
        "dependencies",
        "dev-dependencies",
        'target."cfg(unix)".dependencies',
        "workspace.dependencies",
    ):
        (one,) = read_asked("crates/Cargo.toml", f"[{table}]\n{line}\n".encode()) or ()
        assert (one.name, one.origin, one.leaves()) == ("a", origin, leaves)


def test_a_renamed_dependency_is_known_by_its_package() -> None:
    (one,) = read_asked("Cargo.toml", b'[dependencies]\nx = { package = "real", version = "1" }\n') or ()

    assert one.name == "real"
    assert read_asked("Cargo.toml", b"[dependencies]\nx.workspace = true\n") == ()
