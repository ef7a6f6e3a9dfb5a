"""A check that found nothing must be able to find something, with this very configuration."""

from pathlib import Path

import pytest

from pev.findings import CheckResult, Outcome
from support.gates import GateFixture
from support.repos import PYPROJECT

CHECKS = ("format", "lint", "types", "security")
SELECT = 'select = ["E", "F", "W", "I"]'


async def checked(gate: GateFixture, name: str, **base: str) -> CheckResult:
    gate.on_base({"pev.toml": f'checks = ["{name}"]\n', **base})
    return await gate.check(name, {"src/app/more.py": '"""More."""\n'})


@pytest.mark.parametrize("name", CHECKS)
async def test_a_check_that_can_fail_passes(gate: GateFixture, name: str) -> None:
    result = await checked(gate, name)

    assert (result.outcome, result.findings) == (Outcome.PASSED, ()), result


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("lint", "pyproject.toml", PYPROJECT.replace(SELECT, "select = []")),
        ("lint", "pyproject.toml", PYPROJECT.replace(SELECT, 'select = ["E"]\nignore = ["E"]')),
        ("lint", "ruff.toml", 'include = ["nothing/*.py"]\nforce-exclude = true\nexclude = ["*.py"]\n'),
        ("format", "ruff.toml", 'force-exclude = true\nexclude = ["*.py"]\n'),
        ("types", "pyproject.toml", PYPROJECT.replace("strict = true", "ignore_errors = true")),
        ("security", "pyproject.toml", PYPROJECT + '[tool.bandit]\nexclude_dirs = ["/"]\n'),
    ],
)
async def test_a_configuration_with_which_nothing_can_be_found_proves_nothing(
    gate: GateFixture, name: str, path: str, text: str
) -> None:
    """Although it is the base's own: the check says that it is blind instead of saying yes."""
    result = await checked(gate, name, **{path: text})

    assert result.outcome is Outcome.INCONCLUSIVE, result
    assert "not shown to be able to fail" in result.reason


@pytest.mark.parametrize(
    "rules",
    ["E", "W", "F", "I", "N", "D", "UP", "B", "C4", "SIM", "ANN", "S", "T20", "RET", "PT", "PL", "ARG"],
)
async def test_any_common_choice_of_rules_is_shown_to_find_something(gate: GateFixture, rules: str) -> None:
    """So that an honest project with few rules is not called blind."""
    result = await checked(
        gate, "lint", **{"pyproject.toml": PYPROJECT.replace(SELECT, f'select = ["{rules}"]')}
    )

    assert "able to fail" not in result.reason


async def test_what_was_shown_once_is_not_shown_again(
    gate: GateFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted file costs a run for each configuration, and not for each change."""
    await checked(gate, "lint")
    written: list[Path] = []
    materialise = type((await gate.request("main")).depot).materialise

    async def counted(depot: object, tree: str, into: Path) -> None:
        written.append(into)
        await materialise(depot, tree, into)  # type: ignore[arg-type]

    monkeypatch.setattr("pev.repos.depot.Depot.materialise", counted)
    await gate.check("lint", {"src/app/other.py": '"""Other."""\n'})

    assert [path.parent.name for path in written] == ["candidate-shared"]
