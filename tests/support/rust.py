"""Repositories with a crate in Rust."""

import os
from pathlib import Path
from typing import Final

import pytest

from support.repos import UserRepoFixture

CARGO: Final = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n'
LOCK: Final = 'version = 3\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n'
LIB: Final = "//! Small arithmetic.\n\npub mod calc;\n"
CALC: Final = """\
//! Adds and divides.

/// Gives the sum.
pub fn add(a: i32, b: i32) -> i32 {
    a + b
}

/// Gives the quotient, if there is one.
pub fn divide(a: i32, b: i32) -> Option<i32> {
    if b == 0 {
        return None;
    }
    Some(a / b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        assert_eq!(add(2, 3), 5);
    }

    #[test]
    fn divides() {
        assert_eq!(divide(6, 2), Some(3));
        assert_eq!(divide(1, 0), None);
    }
}
"""
IT: Final = """\
#[test]
fn adds_from_outside() {
    assert_eq!(app::calc::add(40, 2), 42);
}
"""
CRATE: Final = {
    "Cargo.toml": CARGO,
    "Cargo.lock": LOCK,
    "src/lib.rs": LIB,
    "src/calc.rs": CALC,
    "tests/outside.rs": IT,
    "README.md": "# app\n",
}
_DOUBLE: Final = """\
/// Gives twice as much.
///
/// ```
/// assert_eq!(app::calc::double(2), 4);
/// ```
pub fn double(a: i32) -> i32 {
    2 * a
}

"""
_DOUBLES: Final = """\
    #[test]
    fn doubles() {
        assert_eq!(double(4), 8);
    }

"""
# a change that is as it should be
DOUBLE: Final = CALC.replace("/// Gives the quotient", f"{_DOUBLE}/// Gives the quotient").replace(
    "    #[test]\n    fn divides", f"{_DOUBLES}    #[test]\n    fn divides"
)


def rust_crate(path: Path) -> UserRepoFixture:
    """Make a small crate with passing tests and one commit."""
    repo = UserRepoFixture.empty(path)
    repo.commit("first", CRATE)
    return repo


def show_toolchain(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rustup find its tool chains, although tests have a home of their own."""
    if "RUSTUP_HOME" not in os.environ and (real_home / ".rustup").is_dir():
        monkeypatch.setenv("RUSTUP_HOME", str(real_home / ".rustup"))
