"""The policy file: what it may say, and how it says what is wrong with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import PolicyInvalid
from pev.gate.demands import BuiltIn, Language, LoadedPolicy, Policy, line_of, parse_policy
from pev.gate.policy import Detected, DetectedProject, default_toml


def parsed(text: str) -> Policy:
    policy = parse_policy(text, file="pev.toml")
    assert policy is not None
    return policy


def test_an_empty_policy_asks_for_the_six_checks() -> None:
    policy = parsed("")

    assert policy.checks == tuple(BuiltIn)
    assert (policy.coverage_floor, policy.projects[0].root) == (80, ".")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("coverage_flor = 80\n", "pev.toml:1: coverage_flor: unknown field"),
        ("# a\n\nchecks = []\nspelling = true\n", "pev.toml:4: spelling: unknown field"),
        ("[check.tests]\nlimit = 3\n", "pev.toml:2: check.tests.limit: unknown field"),
        ('[[project]]\nroot = "a"\n[[project]]\nroot = "b"\nchecs = []\n', "pev.toml:5: project.1.checs"),
        ('checks = ["lint",\n  "spelling"]\n', "pev.toml:1: checks.1"),
        ("coverage_floor = 101\n", "pev.toml:1: coverage_floor"),
        ("[check.spelling]\n", "pev.toml:1: check.spelling"),
        ('[[project]]\nroot = "../out"\n', "pev.toml:2: project.0.root"),
        ('[[command]]\nname = "lint"\nargv = ["x"]\n', "the name 'lint' is taken"),
        ('[[command]]\nname = "x"\nargv = []\n', "pev.toml:3: command.0.argv"),
        ("checks = [\n", "is not TOML"),
    ],
)
def test_a_fault_names_file_line_and_key(text: str, said: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text, file="pev.toml")
    assert said in caught.value.message
    assert caught.value.hint


def test_a_policy_may_stand_in_pyproject() -> None:
    text = '[project]\nname = "x"\n\n[tool.pev]\ncoverage_floor = 90\n'
    text += "\n[tool.pev.check.lint]\nblocking = false\n"

    policy = parse_policy(text, file="pyproject.toml", table=("tool", "pev"))

    assert policy is not None
    assert (policy.coverage_floor, policy.settings("lint").blocking) == (90, False)
    assert parse_policy("[project]\n", file="pyproject.toml", table=("tool", "pev")) is None


def test_a_fault_in_pyproject_is_found_at_its_line() -> None:
    with pytest.raises(PolicyInvalid, match=r"pyproject\.toml:4: check\.lint\.speed"):
        parse_policy(
            '[project]\n[tool.pev]\n[tool.pev.check.lint]\nspeed = "fast"\n',
            file="pyproject.toml",
            table=("tool", "pev"),
        )


def test_the_hash_speaks_of_the_meaning_not_of_the_text() -> None:
    """Trust is bound to what a policy demands, not to how it is written."""
    first = LoadedPolicy.of(parsed("# one\ncoverage_floor = 80\n"), "pev.toml")
    same = LoadedPolicy.of(parsed("coverage_floor=80.0"), "pev.toml")
    other = LoadedPolicy.of(parsed('[[command]]\nname = "x"\nargv = ["y"]\n'), "pev.toml")

    assert first.hash == same.hash != other.hash
    assert first.explicit
    assert not LoadedPolicy.of(Policy(), "detected").explicit


def test_settings_of_an_own_command_are_its_own() -> None:
    policy = parsed('[[command]]\nname = "x"\nargv = ["y"]\nblocking = false\nlimit_s = 3\n')

    assert (policy.settings("x").blocking, policy.settings("x").limit_s) == (False, 3)
    assert policy.settings("integrity").blocking


@pytest.mark.parametrize(
    "detected",
    [
        Detected(
            projects=(DetectedProject(root=".", tests=("tests",), configured=("ruff",)),), python_files=3
        ),
        Detected(projects=(DetectedProject(root=".", configured=("black",)),), python_files=3),
        Detected(
            projects=(DetectedProject(root="a", name="a"), DetectedProject(root="b", name="b")),
            python_files=9,
        ),
        Detected(),
    ],
    ids=["ruff", "black", "several", "no python"],
)
def test_the_default_file_says_what_was_detected(detected: Detected) -> None:
    """`pev init` must not change what the gate demands."""
    assert parsed(default_toml(detected)) == detected.policy().model_copy(update={"max_attempts": 3})


def test_a_formatter_that_the_repository_does_not_use_is_not_demanded() -> None:
    black = Detected(projects=(DetectedProject(root=".", configured=("black",)),), python_files=1)

    assert BuiltIn.FORMAT not in black.policy().checks


@given(st.text(max_size=300), st.lists(st.sampled_from(["check", "tests", "0", "limit"]), max_size=4))
def test_some_line_is_found_for_every_key_in_every_text(text: str, where: list[str]) -> None:
    assert 1 <= line_of(text, tuple(where)) <= max(1, len(text.splitlines()))


def test_the_first_file_names_languages_and_says_what_was_detected() -> None:
    """It is read back as the policy that was detected."""
    own = (BuiltIn.LINT, BuiltIn.TESTS)
    detected = Detected(
        projects=(
            DetectedProject(root="."),
            DetectedProject(root="web", language=Language.JAVASCRIPT, checks=own),
        ),
        python_files=3,
    )

    assert parsed(default_toml(detected)) == detected.policy().model_copy(update={"max_attempts": 3})
    assert [one.language for one in detected.policy().projects] == [Language.PYTHON, Language.JAVASCRIPT]
