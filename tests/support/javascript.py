"""Repositories with a JavaScript project, and lock files for them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from support.repos import UserRepoFixture

USER_CONFIG: Final = Path.home() / ".npmrc"
"""Where the person who runs the tests says which registry npm uses."""
CALC: Final = """\
/** Adds. */
export function add(a, b) {
  return a + b;
}

export function divide(a, b) {
  if (b === 0) {
    throw new RangeError("division by zero");
  }
  return a / b;
}
"""
CALC_TEST: Final = """\
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { add, divide } from "../src/calc.js";

test("adds", () => {
  assert.equal(add(2, 3), 5);
});

describe("divide", () => {
  it("divides", () => {
    assert.equal(divide(7, 2), 3.5);
  });

  it("refuses zero", () => {
    assert.throws(() => divide(1, 0), RangeError);
  });
});
"""
TWICE: Final = """\
/** Doubles. */
export function twice(a) {
  return 2 * a;
}
"""
TWICE_TEST: Final = """\
import assert from "node:assert/strict";
import { test } from "node:test";
import { twice } from "../src/twice.js";

test("doubles", () => {
  assert.equal(twice(4), 8);
});
"""
ESLINT: Final = """\
import js from "@eslint/js";

export default [js.configs.recommended];
"""
TSCONFIG: Final = """\
{
  // the sources alone
  "compilerOptions": {
    "allowJs": true,
    "checkJs": true,
    "noEmit": true,
    "lib": ["es2020"],
    "target": "es2020",
    "module": "nodenext",
    "types": [],
  },
  "include": ["src"],
}
"""
MANIFEST: Final[dict[str, Any]] = {
    "name": "app",
    "version": "1.0.0",
    "type": "module",
    "scripts": {"test": "node --test"},
}
TOOLS: Final = {"@eslint/js": "^9.0.0", "eslint": "^9.0.0", "prettier": "^3.0.0", "typescript": "^5.0.0"}


def manifest(**more: Any) -> str:
    """Write a package.json; `more` are further keys."""
    return json.dumps({**MANIFEST, **more}, indent=2) + "\n"


def lock(*packages: dict[str, Any], **asked: str) -> str:
    """Write a package-lock.json of packages, each with `name`, `version` and what else its entry holds."""
    entries: dict[str, Any] = {"": {"name": "app", "version": "1.0.0", "dependencies": asked}}
    for one in packages:
        own = {key: value for key, value in one.items() if key != "name"}
        entries[f"node_modules/{one['name']}"] = {"integrity": f"sha512-{one['name']}", **own}
    return json.dumps({"name": "app", "lockfileVersion": 3, "packages": entries}, indent=2) + "\n"


def node_project(path: Path, **more: str) -> UserRepoFixture:
    """Make a small project that needs no package, with passing tests and one commit."""
    repo = UserRepoFixture.empty(path)
    files = {
        "package.json": manifest(),
        ".gitignore": "node_modules/\n",
        "src/calc.js": CALC,
        "test/calc.test.js": CALC_TEST,
    }
    repo.commit("first", {**files, **more})
    return repo


def locked_by_npm(folder: Path, text: str) -> str:
    """Let npm lock what a manifest asks for, without installing it, and give the lock file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(text, encoding="utf-8")
    argv = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
    env = {**os.environ, "NPM_CONFIG_USERCONFIG": str(USER_CONFIG), "NPM_CONFIG_CACHE": str(folder / "cache")}
    subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True)
    return (folder / "package-lock.json").read_text("utf-8")
