"""What sources of Go show: tests, assertions, suppressions, awareness, and how they are broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.golang.breaks import breaks, statements, without_module
from pev.gate.golang.face import GO
from pev.gate.golang.source import aware, harness, inventory, suppressions
from pev.gate.grammar import read_as
from support.golang import CALC, CALC_TEST

OTHERS = """\
package x

import "testing"

func BenchmarkX(b *testing.B) {}
func FuzzX(f *testing.F) {}
func ExampleX() {
	// Output: 1
}
func ExampleSilent() {}
func Testing(t *testing.T) {}
func TestMain(m *testing.M) {}
func helper(t *testing.T) {}
"""


def test_tests_and_their_plain_subtests_are_listed() -> None:
    found = inventory(CALC_TEST)

    assert found is not None
    assert list(found) == ["TestAdd", "TestDivide", "TestDivide/whole", "TestDivide/by_zero"]
    assert (found["TestAdd"].asserts, found["TestDivide"].asserts) == ((3,), (3, 3))


def test_what_go_does_not_report_is_no_test() -> None:
    """An example without output is only compiled, and a TestMain is no test."""
    assert list(inventory(OTHERS) or {}) == ["BenchmarkX", "FuzzX", "ExampleX"]


def test_subtests_that_may_not_run_are_not_expected() -> None:
    source = CALC_TEST.replace(
        '\tt.Run("whole"', '\tfor range "ab" {\n\t\tt.Run("many", nil)\n\t}\n\tt.Run("whole"'
    )

    assert "TestDivide/many" not in (inventory(source) or {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("got != 5", "got != 5 || true"),
        ('t.Errorf("Add(2, 3) = %d", got)', "_ = got"),
    ],
)
def test_a_changed_test_has_another_body(before: str, after: str) -> None:
    old, new = inventory(CALC_TEST), inventory(CALC_TEST.replace(before, after))

    assert old is not None
    assert new is not None
    assert old["TestAdd"].body != new["TestAdd"].body


def test_layout_and_comments_are_no_part_of_a_test() -> None:
    old, new = (
        inventory(CALC_TEST),
        inventory(CALC_TEST.replace("\tif got := Add", "\n\t// now\n\tif  got := Add")),
    )

    assert old is not None
    assert new is not None
    assert old["TestAdd"].body == new["TestAdd"].body


def test_skips_and_libraries_are_weighed() -> None:
    source = (
        'package x\n\nfunc TestX(t *testing.T) {\n\tt.Skipf("no")\n\trequire.Equal(t, 1, 1)\n'
        "\tassert.NotNil(t, 1)\n\tt.Fail()\n}\n"
    )

    (test,) = (inventory(source) or {}).values()

    assert (test.skips, test.asserts) == (1, (4, 3, 2))


def test_a_file_that_cannot_be_read_is_told() -> None:
    assert inventory("package x\nfunc f( {{ )") is None


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("var a = 1 //nolint:errcheck", "nolint"),
        ("var a = 1 // #nosec G101", "nosec"),
        ("//lint:ignore SA1000 because", "lint-ignore"),
        ("//lint:file-ignore U1000 because", "lint-ignore"),
        ("//go:build ignore", "build-constraint"),
    ],
)
def test_suppressions_are_found(line: str, kind: str) -> None:
    assert [one.kind for one in suppressions(f"{line}\n\npackage x\n")] == [kind]
    assert suppressions(f'package x\n\nvar s = "{line}"\n'.replace('"nolint', "nolint")) == ()


def test_a_test_file_may_not_take_itself_out_of_the_build() -> None:
    """Elsewhere a constraint is how code is written for several systems."""
    constraint = "//go:build linux\n\n"

    assert suppressions(constraint + CALC) == ()
    assert [one.kind for one in suppressions(constraint + CALC_TEST)] == ["build-constraint"]


@pytest.mark.parametrize(
    "code",
    [
        'import "testing"',
        'var f = flag.Lookup("test.v")',
        'var b = strings.HasSuffix(os.Args[0], ".test")',
        'var s = strings.Contains(stack, "testing.tRunner")',
        "var m = testing.CoverMode()",
    ],
)
def test_product_code_that_knows_of_tests_is_told(code: str) -> None:
    assert len(aware(f"package x\n\n{code}\n")) == 1
    assert aware(CALC) == ()


def test_what_steers_the_tests_of_a_package_is_found() -> None:
    assert [name for name, _, _ in harness(OTHERS + "func init() {}\n")] == ["TestMain", "init"]


def test_functions_are_broken_one_by_one() -> None:
    """What comes out is still Go, and only the function that the line stands in panics."""
    units = list(breaks(CALC, frozenset({11, 19})))

    assert [(one.name, sorted(one.lines)) for one in units] == [("Add", [11]), ("Divide", [19])]
    for one in units:
        assert read_as(one.source, "go")[1]
        assert one.source.count("panic(") == 1
    assert "func Add(a, b int) int { panic(" in units[0].source


def test_methods_and_literals_of_variables_are_broken_too() -> None:
    source = "package x\n\nfunc (t T) M() int {\n\treturn 1\n}\n\nvar f = func() int {\n\treturn 2\n}\n"

    assert [one.name for one in breaks(source, frozenset({4, 8}))] == ["M", "a function"]


def test_statements_are_the_lines_that_do_something() -> None:
    assert statements(CALC) == frozenset({11, 16, 17, 19})
    assert "thisCodeWasReplacedOnPurpose" in without_module(CALC)


@given(source=st.text(max_size=200))
def test_any_text_gives_an_answer(source: str) -> None:
    """A crash of the gate is no verdict."""
    inventory(source)
    suppressions(source)
    aware(source)
    list(breaks(source, frozenset({1, 2})))
    statements(source)


@pytest.mark.parametrize(
    ("path", "is_test", "is_config"),
    [
        ("calc/calc_test.go", True, False),
        ("calc/calc.go", False, False),
        ("go.work", False, True),
        (".golangci.yml", False, True),
        ("tools/.golangci.toml", False, True),
        ("go.mod", False, False),
    ],
)
def test_the_face_knows_its_files(path: str, is_test: bool, is_config: bool) -> None:
    assert (GO.is_test_file(path), GO.is_config(path)) == (is_test, is_config)
