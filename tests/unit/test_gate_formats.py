"""Output of tools in the formats that a policy can name."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.errors import PolicyInvalid
from pev.gate.demands import parse_policy
from pev.gate.formats import Format, Said, Unreadable, read_output, relative

SARIF = {
    "version": "2.1.0",
    "runs": [
        {
            "results": [
                {
                    "ruleId": "no-eval",
                    "level": "error",
                    "message": {"text": "eval is risky"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "file:///work/src/a%20b.js"},
                                "region": {"startLine": 3},
                            }
                        }
                    ],
                },
                {"ruleId": "hint", "level": "note", "message": {"text": "could be nicer"}},
                {"ruleId": "old", "message": {"text": "x"}, "suppressions": [{"kind": "inSource"}]},
                {"message": {"text": "nowhere"}},
            ]
        }
    ],
}
JUNIT = b"""<testsuites><testsuite>
<testcase classname="math" name="adds" file="a.test.js" line="7"><failure message="3 is not 4"/></testcase>
<testcase classname="math" name="works"/>
<testcase name="breaks"><error type="TypeError"/></testcase>
</testsuite></testsuites>"""


def test_sarif_is_read() -> None:
    """Notes and what was suppressed in the tool's own way are left out."""
    assert read_output(json.dumps(SARIF).encode(), Format.SARIF) == [
        Said("no-eval", "eval is risky", "/work/src/a b.js", 3),
        Said("sarif", "nowhere", None, None),
    ]


def test_junit_is_read() -> None:
    assert read_output(JUNIT, Format.JUNIT) == [
        Said("test-failed", "math.adds: 3 is not 4", "a.test.js", 7),
        Said("test-failed", "breaks: TypeError", None, None),
    ]


def test_json_of_ruff_and_mypy_is_read() -> None:
    ruff = [{"code": "F401", "message": "unused", "filename": "/w/a.py", "location": {"row": 2}}]
    mypy = '{"file": "a.py", "line": 4, "message": "bad", "code": "arg-type", "severity": "error"}\n'
    note = '{"file": "a.py", "line": 4, "message": "see", "code": null, "severity": "note"}\n'

    assert read_output(json.dumps(ruff).encode(), Format.RUFF_JSON) == [Said("F401", "unused", "/w/a.py", 2)]
    assert read_output((mypy + note).encode(), Format.MYPY_JSON) == [Said("arg-type", "bad", "a.py", 4)]


def test_lines_are_taken_apart() -> None:
    raw = b"a.go:3: shadowed\nsome summary\nb.go:x: odd\n"
    pattern = r"^(?P<path>[^:]+):(?P<line>\w+): (?P<message>.*)$"

    assert read_output(raw, Format.REGEX, pattern) == [
        Said("line", "shadowed", "a.go", 3),
        Said("line", "odd", "b.go", None),
    ]


@pytest.mark.parametrize(
    ("form", "raw"),
    [
        (Format.SARIF, b""),
        (Format.SARIF, b"{}"),
        (Format.SARIF, b'{"runs": [{"results": [{}]}]}'),
        (Format.JUNIT, b"<a>"),
        (Format.JUNIT, b"<testsuites/>"),
        (Format.JUNIT, b'<!DOCTYPE a [<!ENTITY b "c">]><testsuite><testcase name="&b;"/></testsuite>'),
        (Format.RUFF_JSON, b"[1]"),
        (Format.RUFF_JSON, b'{"a": 1}'),
        (Format.MYPY_JSON, b"Success: no issues found\n"),
    ],
)
def test_what_is_of_another_format_is_no_answer(form: Format, raw: bytes) -> None:
    """Least of all an empty one."""
    with pytest.raises(Unreadable, match=f"no {form}"):
        read_output(raw, form)


@given(
    st.binary(max_size=200), st.sampled_from([Format.SARIF, Format.JUNIT, Format.RUFF_JSON, Format.MYPY_JSON])
)
def test_any_bytes_are_read_or_refused(raw: bytes, form: Format) -> None:
    with contextlib.suppress(Unreadable):
        assert isinstance(read_output(raw, form), list)


def test_paths_become_those_of_the_repository() -> None:
    assert relative("/scratch/tree/src/a.js", "/scratch/tree") == "src/a.js"
    assert relative("src/a.js", "/scratch/tree") == "src/a.js"
    assert relative("/elsewhere/a.js", "/scratch/tree") == "/elsewhere/a.js"


@pytest.mark.parametrize(
    "line",
    [
        'format = "regex"',
        'pattern = "(?P<path>.*)"',
        'format = "regex"\npattern = "(?P<path>"',
        'format = "regex"\npattern = "nothing"',
        'output = "report.json"',
        'format = "tap"',
    ],
)
def test_a_format_that_makes_no_sense_is_an_invalid_policy(line: str) -> None:
    with pytest.raises(PolicyInvalid):
        parse_policy(f'[[command]]\nname = "own"\nargv = ["true"]\n{line}\n', file="pev.toml")
