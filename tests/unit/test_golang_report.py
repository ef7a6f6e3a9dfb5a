"""What a run of `go test` said, what a profile and go's tools say, and how a go.mod is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.golang.modfile import PSEUDO, GoManifest, read_mod, read_sum
from pev.gate.golang.report import read_events, read_profile
from pev.gate.golang.rows import rows_of, vet_rows
from pev.gate.testing_runs import Result

P = "example.com/app/calc"


def events(*rows: tuple[str, str, str]) -> bytes:
    """Write events: action, test, output."""
    told = [{"Action": action, "Package": P, "Test": test, "Output": text} for action, test, text in rows]
    return "\n".join(json.dumps({k: v for k, v in one.items() if v}) for one in told).encode()


PASSED = [
    ("run", "TestA", ""),
    ("output", "TestA", "=== RUN   TestA\n"),
    ("output", "TestA", "--- PASS: TestA (0.00s)\n"),
    ("pass", "TestA", ""),
]


def test_a_run_that_ends_well_has_no_loose_ends() -> None:
    story = read_events(events(*PASSED, ("pass", "", "")))

    assert story.results == {(P, "TestA"): Result.PASSED}
    assert story.ended == {P: Result.PASSED}
    assert story.unfinished() == []


@pytest.mark.parametrize(
    "rows", [PASSED[:2], [*PASSED[:2], ("output", "TestA", "ok\n"), ("pass", "TestA", "")]]
)
def test_a_test_without_an_end_of_its_own_is_unfinished(rows: list[tuple[str, str, str]]) -> None:
    """Go calls the test passed in which the process ended with exit code 0."""
    assert read_events(events(*rows)).unfinished() == ["TestA"]


def test_a_failure_says_where_and_why() -> None:
    rows = [("run", "TestA", ""), ("output", "TestA", "    a_test.go:7: got 3\n"), ("fail", "TestA", "")]

    (one,) = read_events(events(*rows, ("fail", "", ""))).failures(
        lambda _: "calc", lambda _, file: f"calc/{file}"
    )

    assert (one.id, one.reason, one.path, one.line) == ("calc::TestA", "got 3", "calc/a_test.go", 7)


def test_a_package_that_fails_without_a_test_is_a_failure() -> None:
    raw = b"# example.com/app/calc\ncalc/a.go:3:5: undefined: y\n" + events(("fail", "", ""))

    (one,) = read_events(raw).failures(lambda _: "calc", lambda _, file: file)

    assert (one.is_file, "undefined: y" in one.reason) == (True, True)


@given(raw=st.binary(max_size=300))
def test_any_output_gives_a_story(raw: bytes) -> None:
    read_events(raw).unfinished()


def test_a_profile_gives_the_lines_that_say_something() -> None:
    source = "package a\n\nfunc F() int {\n\tif x {\n\t\treturn 1\n\t}\n\n\treturn 2\n}\n"
    text = "mode: set\nm/a.go:3.14,4.7 1 1\nm/a.go:4.7,6.3 1 0\nm/a.go:8.2,9.2 1 1\nm/a.go:8.2,9.2 1 0\n"

    found = read_profile(text, lambda path: path.removeprefix("m/"), lambda _: source)

    assert found is not None
    assert (sorted(found["a.go"].executed), sorted(found["a.go"].missing)) == ([3, 4, 8], [5])
    assert read_profile("forged", lambda path: path, lambda _: source) is None


def test_rows_of_vet_and_of_the_compiler_are_read_once() -> None:
    said = json.dumps({P: {"printf": [{"posn": "/x/a.go:5:2", "message": "wrong verb"}]}}, indent=1)
    text = f"# {P}\n{said}\n# {P} [{P}.test]\n{said}\nvet: ./b.go:3:1: undefined: y\n"

    assert [(one.rule, one.path, one.line) for one in vet_rows(text)] == [
        ("printf", "/x/a.go", 5),
        ("typecheck", "./b.go", 3),
    ]
    assert [one.line for one in rows_of("a.go:1:2: x\n# a.go\nnot a row\na.go:1:2: x\n", "compile")] == [1]


MOD = """\
module example.com/app

go 1.19

require (
	example.com/a v1.2.3
	example.com/b v0.1.0 // indirect
)

replace example.com/a => ../a // as ever
exclude example.com/c v1.0.0
"""


def test_a_go_mod_is_read_by_its_directives() -> None:
    mod = read_mod(MOD.encode())

    assert (mod.module, mod.required) == (
        "example.com/app",
        {"example.com/a": "v1.2.3", "example.com/b": "v0.1.0"},
    )
    assert [one.indirect for one in mod.of("require")] == [False, True]
    assert mod.faults == ()
    assert read_mod(b"require (\n\tx v1\n").faults == ("a block has no end",)


def test_what_is_guarded_of_a_go_mod_is_put_back() -> None:
    """Modules that the change requires stay; where they come from is the trusted version's word."""
    manifest = GoManifest()
    own = MOD.replace("1.19", "1.99").replace("../a", "./evil").replace("v1.2.3", "v2.0.0").encode()

    restored = manifest.restored(trusted=MOD.encode(), own=own)

    assert restored is not None
    assert manifest.guarded(restored) == manifest.guarded(MOD.encode())
    assert read_mod(restored).required["example.com/a"] == "v2.0.0"
    assert manifest.restored(trusted=MOD.encode(), own=MOD.encode()) == MOD.encode()
    assert manifest.guarded(b"require (\n") is None


def test_layout_of_a_go_mod_means_nothing() -> None:
    other = MOD.replace("replace example.com/a => ../a // as ever", "replace (\n\texample.com/a  =>  ../a\n)")

    assert GoManifest().guarded(other.encode()) == GoManifest().guarded(MOD.encode())


@pytest.mark.parametrize(
    ("version", "is_commit"),
    [
        ("v0.0.0-20260101000000-0123456789ab", True),
        ("v1.2.4-0.20260101000000-0123456789ab", True),
        ("v1.2.3-pre.0.20260101000000-0123456789ab", True),
        ("v1.2.3", False),
        ("v1.2.3-rc.1", False),
        ("v2.0.0+incompatible", False),
    ],
)
def test_versions_that_are_commits_are_known(version: str, is_commit: bool) -> None:
    assert (PSEUDO.match(version) is not None) is is_commit


def test_a_go_sum_gives_hashes() -> None:
    found = read_sum(b"a v1 h1:x=\na v1/go.mod h1:y=\nnonsense\n")

    assert found == {("a", "v1"): frozenset({"h1:x="}), ("a", "v1/go.mod"): frozenset({"h1:y="})}
