"""How tests of a JavaScript project are started, how reports are read, and how code is broken."""

import json
from pathlib import Path

import pytest

from pev.gate.grammar import read_as
from pev.gate.javascript.breaking import breaks, statements, without_module
from pev.gate.javascript.inventory import GRAMMARS
from pev.gate.javascript.launches import _node_files, _unbraced
from pev.gate.javascript.mutating import mutants
from pev.gate.javascript.reports import read_events, read_jest
from pev.gate.javascript.runners import Runner, RunnerName, runner_of
from pev.gate.testing_runs import Result, read_lcov, total_of

NODE, VITEST, JEST = RunnerName.NODE, RunnerName.VITEST, RunnerName.JEST


def whole(source: str) -> bool:
    """Say whether a source can be parsed."""
    return read_as(source, *GRAMMARS)[1]


@pytest.mark.parametrize(
    ("scripts", "runner"),
    [
        ({"test": "node --test"}, Runner(NODE)),
        ({"test": "node --import tsx --test test/*.ts"}, Runner(NODE, ("--import", "tsx"), ("test/*.ts",))),
        (
            {"test": "node --test --experimental-test-coverage --test-reporter=spec tests/"},
            Runner(NODE, (), ("tests/",)),
        ),
        (
            {"test": "npm run lint && npm run test:unit", "lint": "eslint .", "test:unit": "vitest run"},
            Runner(VITEST),
        ),
        (
            {"test": "cross-env CI=1 npx jest --coverage --config jest.json"},
            Runner(JEST, ("--config", "jest.json")),
        ),
        (
            {"test": "NODE_OPTIONS=--experimental-vm-modules jest"},
            Runner(JEST, (), (), ("--experimental-vm-modules",)),
        ),
        (
            {"test": "node --experimental-vm-modules node_modules/jest/bin/jest.js"},
            Runner(JEST, (), (), ("--experimental-vm-modules",)),
        ),
        ({"test": "c8 mocha test/*.js"}, Runner(RunnerName.MOCHA, (), ("test/*.js",))),
        ({"test": "vitest --passWithNoTests --bail 1 -t none"}, Runner(VITEST, (), ("1", "none"))),
        ({"test": "true"}, None),
        ({"test": "echo 'unfinished"}, None),
        ({"test": "npm run test"}, None),
        ({}, None),
    ],
)
def test_the_runner_is_the_one_that_the_script_starts(scripts: dict[str, str], runner: Runner | None) -> None:
    """Its options are taken only as far as they say how code is loaded."""
    assert runner_of({"scripts": scripts}) == runner


def test_without_a_script_the_only_declared_runner_is_meant() -> None:
    assert runner_of({"devDependencies": {"vitest": "^3"}}) == Runner(VITEST)
    assert runner_of({"devDependencies": {"vitest": "^3", "jest": "^29"}}) is None


def test_globs_are_written_out() -> None:
    assert sorted(_unbraced("{a,b}/*.?(c|m)js")) == [
        "a/*.cjs",
        "a/*.js",
        "a/*.mjs",
        "b/*.cjs",
        "b/*.js",
        "b/*.mjs",
    ]


def test_node_runs_what_it_would_find_by_itself(tmp_path: Path) -> None:
    for name in (
        "a.test.js",
        "test-b.mjs",
        "c_test.cjs",
        "test/d.js",
        "lib/e.js",
        "f.test.ts",
        "node_modules/g/test.js",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    plain = set(_node_files(tmp_path, (), typed=False))
    named = set(_node_files(tmp_path, ("lib/*.js", "./test/d.js"), typed=False))
    typed = set(_node_files(tmp_path, (), typed=True))

    assert plain == {"a.test.js", "test-b.mjs", "c_test.cjs", "test/d.js"}
    assert named == {"lib/e.js", "./test/d.js"}
    assert typed == plain | {"f.test.ts"}


def test_events_of_node_become_results(tmp_path: Path) -> None:
    """A group is what its tests are; a file that fails without a test of its own could not be loaded."""
    file, bad = "/w/test/a.test.js", "/w/test/bad.test.js"
    rows = [
        {"type": "start", "name": "g", "nesting": 0, "file": file},
        {"type": "start", "name": "ok", "nesting": 1, "file": file},
        {"type": "pass", "name": "ok", "nesting": 1, "file": file, "suite": False},
        {"type": "start", "name": "no", "nesting": 1, "file": file},
        {
            "type": "fail",
            "name": "no",
            "nesting": 1,
            "file": file,
            "line": 7,
            "message": "1 !== 2",
            "kind": "testCodeFailure",
        },
        {"type": "start", "name": "off", "nesting": 1, "file": file},
        {"type": "pass", "name": "off", "nesting": 1, "file": file, "skip": True},
        {"type": "fail", "name": "g", "nesting": 0, "file": file, "suite": True, "kind": "subtestsFailed"},
        {"type": "start", "name": bad, "nesting": 0, "file": bad},
        {
            "type": "fail",
            "name": bad,
            "nesting": 0,
            "file": bad,
            "message": "test failed",
            "kind": "testCodeFailure",
        },
        {"type": "end"},
    ]
    report = tmp_path / "events"
    report.write_text("\n".join(map(json.dumps, rows)) + "\nnot JSON\n")

    told = read_events(report, lambda path: path.removeprefix("/w/"), lambda path: path.removeprefix("/w/"))

    assert told.whole
    assert told.results == {
        "test/a.test.js::g > ok": Result.PASSED,
        "test/a.test.js::g > no": Result.FAILED,
        "test/a.test.js::g > off": Result.SKIPPED,
        "test/bad.test.js": Result.FAILED,
    }
    failed, unread = told.failures.values()
    assert (failed.path, failed.line, failed.reason, failed.is_file) == (
        "test/a.test.js",
        7,
        "1 !== 2",
        False,
    )
    assert unread.is_file


def test_a_report_without_its_end_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "events").write_text('{"type": "start", "name": "a", "nesting": 0, "file": "a"}\n')
    (tmp_path / "report").write_text('{"testResults": [')

    assert not read_events(tmp_path / "events", str, str).whole
    assert not read_jest(tmp_path / "report", str, str).whole
    assert not read_jest(tmp_path / "missing", str, str).whole


def test_the_report_of_jest_and_vitest_becomes_results(tmp_path: Path) -> None:
    said = "Error: expected 1\n    at Object.<anonymous> (/w/a.test.js:9:12)\n"
    rows = [
        {"ancestorTitles": ["", "g"], "title": "ok", "status": "passed"},
        {"ancestorTitles": [], "title": "no", "status": "failed", "failureMessages": [said]},
        {"ancestorTitles": [], "title": "off", "status": "pending"},
    ]
    files = [
        {"name": "/w/a.test.js", "status": "failed", "assertionResults": rows},
        {"name": "/w/b.test.js", "status": "failed", "assertionResults": [], "message": "cannot find x"},
    ]
    report = tmp_path / "report"
    report.write_text(json.dumps({"success": False, "testResults": files}))

    told = read_jest(report, lambda path: path.removeprefix("/w/"), lambda path: path.removeprefix("/w/"))

    assert told.whole
    assert {own: str(result) for own, result in told.results.items()} == {
        "a.test.js::g > ok": "passed",
        "a.test.js::no": "failed",
        "a.test.js::off": "skipped",
        "b.test.js": "failed",
    }
    failed = told.failures["a.test.js::no"]
    assert (failed.reason, failed.line) == ("Error: expected 1", 9)
    assert told.failures["b.test.js"].is_file


def test_coverage_of_lines_is_read_and_summed() -> None:
    text = "SF:a.js\nDA:1,1\nDA:2,0\nDA:x,1\nend_of_record\n"
    text += "SF:a.js\nDA:2,3\nDA:3,0\nend_of_record\nSF:out.js\nDA:1,1\n"

    found = read_lcov(text, lambda path: None if path == "out.js" else path)

    assert list(found) == ["a.js"]
    assert (set(found["a.js"].executed), set(found["a.js"].missing)) == ({1, 2}, {3})
    assert total_of(found, lambda _: True) == pytest.approx(200 / 3)
    assert total_of(found, lambda _: False) is None


CODE = """\
#!/usr/bin/env node
"use strict";
const a = (x) => x + 1;
function outer(b) {
  const inner = () => {
    return b;
  };
  return inner();
}
class C extends D {
  get size() { return 1; }
}
export default async function* () {
  yield 1;
}
"""


@pytest.mark.parametrize(
    ("line", "name", "broken"),
    [
        (3, "a", "const a = (x) => (() => { throw"),
        (6, "inner", "const inner = () => { throw"),
        (8, "outer", "function outer(b) { throw"),
        (11, "size", "get size() { throw"),
        (14, "a function without a name", "async function* () { throw"),
    ],
)
def test_the_innermost_function_around_a_line_throws(line: int, name: str, broken: str) -> None:
    (unit,) = breaks(CODE, frozenset({line}))

    assert (unit.name, set(unit.lines)) == (name, {line})
    assert broken in unit.source
    assert whole(unit.source)


def test_lines_outside_of_functions_have_none() -> None:
    assert not list(breaks(CODE, frozenset({2, 4, 10, 13})))
    assert not list(breaks("function (", frozenset({1})))


def test_a_file_throws_behind_its_directives() -> None:
    broken = without_module(CODE)

    assert broken.splitlines()[:3] == [
        "#!/usr/bin/env node",
        '"use strict";',
        'throw new Error("this code was replaced on purpose");',
    ]
    assert whole(broken)
    assert without_module("import a from 'a';").startswith("throw new Error")


def test_statements_are_where_something_is_done() -> None:
    source = """\
// a comment
import a from "a";
export { a };
export interface I { b: number }
type T = string;
export const c = () =>
  a();
function d() {
  if (c()) {
    return 1;
  }
}
"""
    assert statements(source) == {6, 7, 9, 10}


def test_mutants_change_what_tests_should_notice() -> None:
    """The most telling first; texts, messages, types and what is logged are left alone."""
    source = """\
function f(a: 1 | 2, b) {
  if (a < b && !a) {
    console.log(a + 1);
    throw new Error("more than " + 3);
  }
  return a + "text" + (b * 2);
}
"""
    found = list(mutants(source, frozenset(range(1, 8))))

    assert [(one.line, one.what) for one in found if not one.weak] == [
        (2, "not (a < b && !a)"),
        (2, "|| for &&"),
        (2, ">= for <"),
        (6, "+ for *"),
        (3 - 1, "without ! in !a"),
        (6, "3 for 2"),
    ]
    assert [one.what for one in found if one.weak] == ["return undefined"]
    assert len({one.source for one in found}) == len(found)
    assert not list(mutants(source, frozenset({3, 4, 5})))
