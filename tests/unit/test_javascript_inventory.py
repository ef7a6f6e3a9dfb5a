"""What is read of JavaScript and TypeScript files: tests, suppressions, and who knows of a test runner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.javascript.awareness import aware
from pev.gate.javascript.face import JAVASCRIPT
from pev.gate.javascript.inventory import OPEN, inventory
from pev.gate.javascript.slack import casts

SOURCE = """\
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";

describe("a group", () => {
  beforeEach(() => {});
  it("is \\"quoted\\"", () => { assert.equal(1 + 1, 2); });
  describe(`inner`, function () {
    test("deep", async (t) => {
      await t.test("sub", () => { assert.ok(f()); });
    });
  });
});
test.each([1, 2])("takes %i", (n) => { expect(n).toBe(n); });
it(`has ${a}`, () => {});
test.describe("suite", () => { test("own", { skip: true }, () => {}); });
xit("off", () => {});
it.todo("later");
regexp.test("no test");
"""


def test_tests_are_named_by_their_groups() -> None:
    """Names that are put together at run time are marked: no report can be searched for them."""
    found = inventory(SOURCE)

    assert found is not None
    assert list(found) == [
        'a group > is "quoted"',
        "a group > inner > deep",
        "a group > inner > deep > sub",
        f'{OPEN}"takes %i"',
        f"{OPEN}`has ${{a}}`",
        "suite > own",
        "off",
        "later",
    ]
    assert {name for name, test in found.items() if test.skips} == {"suite > own", "off", "later"}
    assert found['a group > is "quoted"'].line == 6


def test_a_skipped_group_skips_what_is_in_it() -> None:
    found = inventory('describe.skip("g", () => { it("a", () => {}); it("b", (t) => { t.skip(); }); });')

    assert found is not None
    assert {name: test.skips for name, test in found.items()} == {"g > a": 1, "g > b": 2}


def test_a_test_that_moved_or_was_reformatted_has_the_same_body() -> None:
    one = inventory('test("a", () => { assert.equal(f(1), 2); });')
    other = inventory(
        'describe("g", () => {\n  test("b", () => {\n    // why\n    assert.equal(f(1), 2);\n  });\n});'
    )

    assert one is not None
    assert other is not None
    assert one["a"].body == other["g > b"].body


def test_two_tests_of_one_name_are_counted() -> None:
    found = inventory('test("a", () => {}); test("a", () => {});')

    assert found is not None
    assert found["a"].duplicates == 1


@pytest.mark.parametrize(
    ("code", "strengths"),
    [
        ("assert.equal(f(), 2)", (4,)),
        ("assert.strict.deepEqual(f(), {})", (4,)),
        ("assert(f())", (2,)),
        ("assert.ok(f() === 2)", (4,)),
        ("assert.ok(true)", (0,)),
        ("assert.equal(1, 1)", (0,)),
        ("assert.notEqual(f(), 2)", (1,)),
        ("assert.throws(f)", (3,)),
        ("assert.throws(f, RangeError)", (4,)),
        ("expect(f()).toBe(2)", (4,)),
        ("expect(f()).not.toBe(2)", (1,)),
        ("expect(f()).toBeTruthy()", (2,)),
        ("expect(true).toBe(true)", (0,)),
        ("expect(f).toThrow()", (3,)),
        ("expect(f).toThrow(RangeError)", (4,)),
        ("await expect(f()).resolves.toEqual({})", (4,)),
        ("expect(f()).to.deep.equal(2)", (4,)),
        ("expect(f()).to.be.true", (2,)),
        ("expect(f()).toContain(2)", (3,)),
        ("t.assert.equal(f(), 2)", (4,)),
        ("f(); g.equal(1, 2)", ()),
    ],
)
def test_assertions_have_strengths(code: str, strengths: tuple[int, ...]) -> None:
    """What is demanded can be compared: equality more than truth, truth more than nothing."""
    found = inventory(f'test("a", async () => {{ {code}; }});')

    assert found is not None
    assert found["a"].asserts == strengths


@given(st.text(alphabet="(){}[];'\"`$./ abtesi\n<>=", max_size=60))
def test_any_text_can_be_looked_at(text: str) -> None:
    """Whatever a change writes, reading it ends and raises nothing."""
    inventory(text)
    JAVASCRIPT.suppressions(text)
    aware(text)


def test_suppressions_are_comments_and_narrowed_runs() -> None:
    source = """\
// eslint-disable-next-line no-console
console.log("// eslint-disable-line");
/* eslint no-undef: 0 */
// @ts-expect-error because
// prettier-ignore
/* istanbul ignore next */
/* v8 ignore start */
// biome-ignore lint/a: b
test.only("a", () => {});
describe("b", { only: true }, () => {});
"""
    found = [(one.kind, one.line) for one in JAVASCRIPT.suppressions(source)]

    assert found == [
        ("eslint", 1),
        ("eslint", 3),
        ("ts", 4),
        ("prettier", 5),
        ("no-cover", 6),
        ("no-cover", 7),
        ("biome", 8),
        ("only", 9),
        ("only", 10),
    ]


@pytest.mark.parametrize(
    "code",
    [
        "if (process.env.NODE_TEST_CONTEXT) f();",
        "const { VITEST } = process.env;",
        'if (process.env["JEST_WORKER_ID"]) f();',
        'if (process.env["JEST_" + "WORKER" + "_ID"]) f();',
        'if (process.env.NODE_ENV === "test") f();',
        'if (typeof describe === "function") f();',
        "if (globalThis.jest) f();",
        "if (import.meta.vitest) f();",
        "if (process.execArgv.length) f();",
        "if (process.env.CI) f();",
        'import { mock } from "node:test";',
        'const t = require("vitest");',
        "assert.equal = () => {};",
        "assert.strict.deepEqual = f;",
        "process.stdout.write = f;",
        "process.exitCode = 0;",
        "Object.defineProperty(Object.prototype, 'a', {});",
        'process.on("exit", f);',
        "process.kill(process.ppid);",
    ],
)
def test_product_code_that_looks_for_a_runner_is_seen(code: str) -> None:
    assert aware(code)


@pytest.mark.parametrize(
    "code",
    [
        "const port = process.env.PORT ?? 80;",
        'if (process.env.NODE_ENV === "production") f();',
        "const test = /a/.test(b);",
        'import test from "./test.js";',
        "process.exitCode = 1;",
        'process.on("SIGINT", f);',
        "this.equal = f; exports.a = f; Thing.prototype.b = f;",
        "Object.assign({}, process);",
        "export function describe(a) { return typeof a; }",
        '// VITEST is set by vitest\nconst a = "tested";',
    ],
)
def test_ordinary_code_is_not(code: str) -> None:
    assert aware(code) == ()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("src/a.test.ts", "test"),
        ("src/__tests__/a.js", "test"),
        ("test/a.mjs", "test"),
        ("src/a.spec.tsx", "test"),
        ("tests/support/a.js", "ground"),
        ("src/tester.js", "product"),
        ("src/test.css", "product"),
        ("eslint.config.mjs", "config"),
        ("packages/a/.eslintrc.json", "config"),
        ("tsconfig.build.json", "config"),
        ("src/__mocks__/fs.js", "config"),
        (".npmrc", "config"),
        ("jest.config.ts", "config"),
        ("src/config.ts", "product"),
    ],
)
def test_files_are_told_apart_by_their_paths(path: str, kind: str) -> None:
    seen = (
        "config"
        if JAVASCRIPT.is_config(path)
        else "test"
        if JAVASCRIPT.is_test_file(path)
        else "ground"
        if JAVASCRIPT.is_test_ground(path)
        else "product"
    )
    assert seen == kind


def test_casts_to_types_that_take_anything_are_seen() -> None:
    """What is cast to a real type, or made constant, still says something."""
    source = """\
const a = x as any;
const b = <any>y;
const c = z as unknown as Foo;
const d = q as const;
const e = w as Foo;
const any = 1; f(any as Foo);
"""
    assert casts(source) == ((1, "x as any"), (2, "<any>y"), (3, "z as unknown"))
