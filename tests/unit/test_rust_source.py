"""What sources of Rust show: tests, assertions, suppressions, awareness, and how they are broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.grammar import read_as
from pev.gate.rust import source as rust
from pev.gate.rust.breaks import breaks, without_module
from pev.gate.rust.face import RUST
from pev.gate.rust.source import aware, inventory, suppressions
from support.rust import CALC, IT


def test_tests_are_listed_by_their_modules() -> None:
    found = inventory(CALC)

    assert found is not None
    assert list(found) == ["tests::adds", "tests::divides"]
    assert [one.asserts for one in found.values()] == [(4,), (4, 4)]
    assert list(inventory(IT) or {}) == ["adds_from_outside"]


@pytest.mark.parametrize(
    "attribute", ["test", "tokio::test", 'tokio::test(flavor = "x")', "rstest", "test_case(1)"]
)
def test_attributes_that_make_tests_are_known(attribute: str) -> None:
    source = f'#[{attribute}]\n/// Says so.\n#[should_panic(expected = "x")]\nasync fn t() {{}}\n'

    (test,) = (inventory(source) or {}).values()

    assert (test.name, test.asserts) == ("t", (4,))


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ("assert_eq!(add(2, 3), 5);", "assert!(add(2, 3) > 0);", "asserts"),
        ("assert_eq!(add(2, 3), 5);", "assert!(true);", "asserts"),
        ("assert_eq!(add(2, 3), 5);", "", "asserts"),
        ("    fn adds", "    #[ignore]\n    fn adds", "skips"),
        ("    fn adds", "    #[cfg_attr(all(), ignore)]\n    fn adds", "skips"),
        ("    fn adds", "    #[should_panic]\n    fn adds", "asserts"),
        ("add(2, 3), 5", "add(2, 3), 6", "body"),
    ],
)
def test_what_weakens_a_test_shows(before: str, after: str, field: str) -> None:
    old, new = inventory(CALC), inventory(CALC.replace(before, after))

    assert old is not None
    assert new is not None
    assert getattr(old["tests::adds"], field) != getattr(new["tests::adds"], field)


def test_a_file_without_tests_may_be_unreadable() -> None:
    assert inventory("fn f( {{ )") == {}
    assert inventory("#[test]\nfn f( {{ )") is None


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("#![allow(dead_code)]", "allow"),
        ("#[allow(clippy::all, unused)]\nfn f() {}", "allow"),
        ("#[expect(unused)]\nfn f() {}", "allow"),
        ("#[cfg_attr(all(), allow(unused))]\nfn f() {}", "allow"),
        ("#[rustfmt::skip]\nfn f() {}", "rustfmt-skip"),
        ("#[cfg_attr(any(), rustfmt::skip)]\nfn f() {}", "rustfmt-skip"),
        ("#[coverage(off)]\nfn f() {}", "no-coverage"),
        ("macro_rules! m {\n    ($i:item) => { #[allow(unused)] $i };\n}", "allow"),
    ],
)
def test_suppressions_are_found(line: str, kind: str) -> None:
    assert {one.kind for one in suppressions(f"{line}\n")} == {kind}


@pytest.mark.parametrize(
    "line", ["// #[allow(x)]", 'const A: &str = "#[allow(x)]";', "#[deny(unused)]\nfn f() {}"]
)
def test_what_suppresses_nothing_is_left_alone(line: str) -> None:
    assert suppressions(f"{line}\n") == ()


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("fn f() -> bool { cfg!(test) }", 1),
        ("#[cfg(not(test))]\nfn f() {}", 1),
        ("#[cfg(test)]\nfn f() {}", 1),
        ("#[cfg_attr(test, derive(Debug))]\nstruct A;", 1),
        ('fn f() -> bool { std::env::var("RUST_TEST_THREADS").is_ok() }', 1),
        ('fn f() -> bool { std::env::var("CARGO_MANIFEST_DIR").is_ok() }', 1),
        ("macro_rules! assert_eq {\n    ($($t:tt)*) => {};\n}", 1),
        ("impl PartialEq for A {\n    fn eq(&self, _: &A) -> bool {\n        true\n    }\n}", 1),
        ("impl PartialEq for A {\n    fn eq(&self, o: &A) -> bool {\n        self.a == o.a\n    }\n}", 0),
        ('fn f() -> bool { std::thread::current().name() == Some("tests::t") }', 1),
        ('const V: &str = env!("CARGO_PKG_VERSION");', 0),
        ("#[cfg(test)]\nmod tests {\n    fn f() -> bool { cfg!(test) }\n}", 0),
        ("#[cfg(test)]\nuse std::fs;", 0),
        ("#[cfg(unix)]\nfn f() {}", 0),
    ],
)
def test_product_code_that_knows_of_tests_is_told(code: str, count: int) -> None:
    assert len(aware(f"{code}\n")) == count


def test_functions_are_broken_one_by_one_and_tests_are_not() -> None:
    """What comes out is still Rust, and only the function that the line stands in panics."""
    units = list(breaks(CALC, frozenset({5, 13, 22})))

    assert [(one.name, sorted(one.lines)) for one in units] == [("add", [5]), ("divide", [13])]
    for one in units:
        assert read_as(one.source, "rust")[1]
        assert one.source.count("panic!(") == 1
    assert "compile_error!" in without_module(CALC)


def test_what_is_for_tests_alone_is_told_apart() -> None:
    span = rust.tests_only(read_as(CALC, "rust")[0])[0]

    assert (span.start, span.stop - 1) == (17, 30)


@given(source=st.text(max_size=200))
def test_any_text_gives_an_answer(source: str) -> None:
    """A crash of the gate is no verdict."""
    inventory(source)
    suppressions(source)
    aware(source)
    list(breaks(source, frozenset({1, 2})))


@pytest.mark.parametrize(
    ("path", "is_test", "is_config"),
    [
        ("tests/outside.rs", True, False),
        ("crates/a/tests/outside.rs", True, False),
        ("src/calc/tests.rs", True, False),
        ("src/calc.rs", False, False),
        ("build.rs", False, True),
        ("crates/a/build.rs", False, True),
        (".cargo/config.toml", False, True),
        ("crates/a/.cargo/config", False, True),
        ("rust-toolchain", False, True),
        ("Cargo.toml", False, False),
    ],
)
def test_the_face_knows_its_files(path: str, is_test: bool, is_config: bool) -> None:
    assert (RUST.is_test_file(path), RUST.is_config(path)) == (is_test, is_config)
