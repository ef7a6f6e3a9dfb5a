"""Repositories with a module in Go."""

from pathlib import Path
from typing import Final

from support.repos import UserRepoFixture

GO_MOD: Final = "module example.com/app\n\ngo 1.19\n"
CALC: Final = """\
// Package calc does small arithmetic.
package calc

import "errors"

// ErrZero says that something was divided by zero.
var ErrZero = errors.New("division by zero")

// Add gives the sum.
func Add(a, b int) int {
	return a + b
}

// Divide gives the quotient.
func Divide(a, b int) (int, error) {
	if b == 0 {
		return 0, ErrZero
	}
	return a / b, nil
}
"""
CALC_TEST: Final = """\
package calc

import "testing"

func TestAdd(t *testing.T) {
	if got := Add(2, 3); got != 5 {
		t.Errorf("Add(2, 3) = %d", got)
	}
}

func TestDivide(t *testing.T) {
	t.Run("whole", func(t *testing.T) {
		if got, err := Divide(6, 2); err != nil || got != 3 {
			t.Fatalf("Divide(6, 2) = %d, %v", got, err)
		}
	})
	t.Run("by zero", func(t *testing.T) {
		if _, err := Divide(1, 0); err != ErrZero {
			t.Fatal(err)
		}
	})
}
"""
MAIN: Final = """\
package main

import (
	"fmt"

	"example.com/app/calc"
)

func main() {
	fmt.Println(calc.Add(1, 2))
}
"""
MODULE: Final = {
    "go.mod": GO_MOD,
    "main.go": MAIN,
    "calc/calc.go": CALC,
    "calc/calc_test.go": CALC_TEST,
    "README.md": "# app\n",
}
# a change that is as it should be
DOUBLE: Final = CALC + "\n// Double gives twice as much.\nfunc Double(a int) int {\n\treturn 2 * a\n}\n"
DOUBLE_TEST: Final = (
    CALC_TEST
    + """
func TestDouble(t *testing.T) {
	if got := Double(4); got != 8 {
		t.Errorf("Double(4) = %d", got)
	}
}
"""
)


def go_module(path: Path) -> UserRepoFixture:
    """Make a small module with passing tests and one commit."""
    repo = UserRepoFixture.empty(path)
    repo.commit("first", MODULE)
    return repo
