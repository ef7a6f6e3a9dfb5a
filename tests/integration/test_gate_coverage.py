"""Coverage of real runs, where a project's own settings make it hard to see."""

from pev.findings import Outcome
from support.gates import GateFixture, rules_of
from support.repos import CALC, PYPROJECT

RELATIVE = PYPROJECT.replace("[tool.coverage.run]", "[tool.coverage.run]\nrelative_files = true")
INSTALLED = RELATIVE + '\n[tool.coverage.report]\ninclude = ["*/site-packages/app/*"]\n'


async def test_a_report_of_what_is_installed_is_made_of_what_is_here(gate: GateFixture) -> None:
    """Many projects test what tox installed; here the checkout itself is imported, and must be seen."""
    gate.on_base({"pyproject.toml": INSTALLED})
    untested = CALC + "\n\ndef untested(a: int) -> int:\n    return a * 2 + 1\n\n\nUNUSED = 1\n"

    good = await gate.check("tests", {"src/app/calc.py": CALC.replace("return a + b", "return b + a")})
    bad = await gate.check(
        "tests",
        {
            "src/app/calc.py": untested
            + "".join(f"\n\ndef f{n}() -> int:\n    return {n}\n" for n in range(9))
        },
    )

    assert good.outcome is Outcome.PASSED, good.reason
    assert "changed lines run" in good.reason
    assert bad.outcome is Outcome.FAILED
    assert "changed-lines-not-run" in rules_of(bad)
