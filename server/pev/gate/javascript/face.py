"""How JavaScript and TypeScript show themselves: tests, suppressions, and what steers their tools."""

import re
from typing import Final

from pev.gate.cwords import find_words
from pev.gate.demands import Language
from pev.gate.face import Face
from pev.gate.javascript.awareness import aware
from pev.gate.javascript.inventory import GRAMMARS, inventory, narrowings
from pev.gate.javascript.manifest import PackageManifest
from pev.gate.suppressions import Suppression

SUFFIXES: Final = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
_WORDS: Final = (
    ("eslint", re.compile(r"eslint-(?:disable(?:-next-line|-line)?|env)\b[^*]*|/\*\s*eslint\s+[^*]*")),
    ("ts", re.compile(r"@ts-(?:ignore|expect-error|nocheck)\b[^*]*")),
    ("prettier", re.compile(r"prettier-ignore(?:-start|-end)?\b")),
    ("biome", re.compile(r"biome-ignore(?:-all|-start|-end)?\b[^*]*")),
    ("no-cover", re.compile(r"(?:istanbul|c8|v8)\s+ignore\b[^*]*|node:coverage\s+(?:ignore|disable)\b[^*]*")),
    ("scanner", re.compile(r"\b(?:nosemgrep|NOSONAR)\b[^*]*|deno-lint-ignore(?:-file)?\b[^*]*")),
)
_CONFIGS: Final = (
    "eslint.config.*",
    ".eslintrc*",
    ".eslintignore",
    ".prettierrc*",
    "prettier.config.*",
    ".prettierignore",
    ".editorconfig",
    "tsconfig*.json",
    "jsconfig*.json",
    "vitest.config.*",
    "vitest.workspace.*",
    "vitest.setup.*",
    "vite.config.*",
    "jest.config.*",
    "jest.setup.*",
    "jest.preset.*",
    "babel.config.*",
    ".babelrc*",
    ".swcrc*",
    ".mocharc*",
    "ava.config.*",
    ".taprc",
    ".c8rc*",
    ".nycrc*",
    "nyc.config.*",
    "biome.json*",
    ".npmrc",
    ".yarnrc*",
    ".pnpmfile.*",
    "pnpm-workspace.yaml",
    ".nvmrc",
    ".node-version",
    ".lintstagedrc*",
    ".browserslistrc",
    ".stylelintrc*",
    "karma.conf.*",
    "wallaby.*",
    "setuptests.*",
    "setup-tests.*",
    "test-setup.*",
    "*-setup.[jt]s",
    "*.setup.[cm][jt]s",
    "*.setup.[jt]s",
    "*__mocks__/*",
)


def suppressions(source: str) -> tuple[Suppression, ...]:
    """List what tells a tool to look away, and tests that keep others from running."""
    return find_words(source, GRAMMARS, _WORDS, narrowings)


JAVASCRIPT: Final = Face(
    language=Language.JAVASCRIPT,
    suffixes=SUFFIXES,
    configs=_CONFIGS,
    test_files=(
        "*.test.*",
        "*.spec.*",
        "*-test.[cm]js",
        "*-test.js",
        "*_test.[cm]js",
        "*_test.js",
        "test-*.js",
        "test-*.[cm]js",
        "test.js",
        "test.[cm]js",
        "__tests__/*",
        "test/*.[jt]s",
        "test/*.[cm]js",
        "test/*/*.js",
        "tests/*.[jt]s",
    ),
    test_folders=frozenset(
        {"test", "tests", "testing", "__tests__", "__mocks__", "__fixtures__", "spec", "e2e"}
    ),
    inventory=inventory,
    suppressions=suppressions,
    manifests={"package.json": PackageManifest()},
    aware=aware,
)
