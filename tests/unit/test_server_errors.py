"""What a client is told: the fact and the next action of an error of ours, an id of anything else."""

import logging

import pytest
from fastmcp.exceptions import ToolError
from pydantic import BaseModel, ValidationError

from pev.errors import RunUnknown
from pev_server.errors import QuietWhereMapped, map_error, shorten_arguments


class _Form(BaseModel):
    size: int


def _wrapped(error: Exception) -> ToolError:
    """Mask an error as the framework does."""
    try:
        raise ToolError("Error calling tool 'x'") from error
    except ToolError as exc:
        return exc


def test_an_error_of_ours_is_told_whole_even_when_it_was_masked() -> None:
    error = RunUnknown("run ffffffff does not exist", hint="See pev://runs.")
    for one in (error, _wrapped(error)):
        assert map_error(one) == (
            "run.unknown",
            "[run.unknown] run ffffffff does not exist. Next: See pev://runs.",
        )


def test_a_bug_is_told_by_an_id_that_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        code, told = map_error(_wrapped(ValueError("the secret value")))
    assert code == "server.bug"
    assert "secret" not in told
    bug = told.split("internal error ")[1][:8]
    assert bug in caplog.text
    assert "the secret value" in caplog.text


def test_arguments_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValidationError) as caught:
        _Form.model_validate({"size": "many"})
    code, told = map_error(_wrapped(caught.value))
    assert code == "input.invalid"
    assert "size: " in told
    assert "many" not in told


def test_long_arguments_reach_the_trail_as_digest_and_size() -> None:
    short = shorten_arguments({"path": "a.py", "content": "x" * 10_000, "argv": ["a"], "limit": 5})
    assert short["path"] == "a.py"
    assert short["limit"] == 5
    assert short["content"]["size_bytes"] == 10_000
    assert len(short["content"]["sha256"]) == 64


def test_a_frameworks_traceback_of_an_error_that_is_told_is_not_written_but_a_bugs_is() -> None:
    def record(name: str, error: Exception | None) -> logging.LogRecord:
        info = (type(error), error, None) if error is not None else None
        return logging.LogRecord(name, logging.ERROR, "", 0, "x", (), info)

    quiet = QuietWhereMapped()
    assert not quiet.filter(record("mcp.server", RunUnknown("no run")))
    assert not quiet.filter(record("fastmcp.server", _wrapped(RunUnknown("no run"))))
    assert quiet.filter(record("fastmcp.server", ValueError("a bug")))
    assert quiet.filter(record("fastmcp.server", None))
    assert quiet.filter(record("pev.server", RunUnknown("no run")))
