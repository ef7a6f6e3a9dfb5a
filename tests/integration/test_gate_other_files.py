"""Risky calls are found in files that are Python under another name."""

import json

import pytest

from pev.findings import Outcome
from support.gates import GateFixture, rules_of

RISKY = "import subprocess\nimport sys\n\nsubprocess.call(sys.argv[1], shell=True)\n"
NOTEBOOK = json.dumps(
    {
        "nbformat": 4,
        "cells": [
            {"cell_type": "markdown", "source": ["# Title"]},
            {"cell_type": "code", "source": ["%matplotlib inline\n", "import subprocess\n"]},
            {
                "cell_type": "code",
                "source": ["!ls\n", "subprocess.call('ls', shell=bool(1), executable=None)\n"],
            },
            {"cell_type": "code", "source": RISKY},
        ],
    }
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("bin/tool", f"#!/usr/bin/env python3\n{RISKY}"),
        ("tool.pyw", RISKY),
        ("notes/look.ipynb", NOTEBOOK),
    ],
)
async def test_a_risky_call_is_found_whatever_the_file_is_called(
    gate: GateFixture, path: str, text: str
) -> None:
    result = await gate.check("security", {path: text})

    assert result.outcome is Outcome.FAILED, result
    assert "B602" in rules_of(result)
    assert {one.path for one in result.findings if one.rule == "B602"} == {path}


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', json.dumps({"cells": [{"cell_type": "code"}]})])
async def test_a_notebook_that_is_none_is_no_code(gate: GateFixture, text: str) -> None:
    result = await gate.check("security", {"broken.ipynb": text, "run.sh": "#!/bin/sh\neval $1\n"})

    assert (result.outcome, result.findings) == (Outcome.PASSED, ())


async def test_old_risks_in_a_script_stay_old(gate: GateFixture) -> None:
    """Only the change counts, in these files too."""
    gate.on_base({"bin/tool": f"#!/usr/bin/env python3\n{RISKY}"})

    result = await gate.check("security", {"bin/tool": f"#!/usr/bin/env python3\n# more\n{RISKY}"})

    assert result.outcome is Outcome.PASSED, result


@pytest.mark.parametrize("path", ["src/app/CVS/run.py", ".github/scripts/run.py"])
async def test_folders_that_the_scanner_leaves_out_are_scanned(gate: GateFixture, path: str) -> None:
    """They can be imported like any other."""
    result = await gate.check("security", {path: RISKY})

    assert [(one.rule, one.path) for one in result.findings if one.counts()] == [("B602", path)]


async def test_a_detour_is_held_and_an_old_one_is_old(gate: GateFixture) -> None:
    """Also where the file moved, and the line has other arguments now."""
    source = "import asyncio\n\n\ndef send(text: str) -> object:\n"
    source += "    return asyncio.create_subprocess_shell(text)\n" + "# more of it\n" * 20
    new = await gate.check("security", {"src/app/send.py": source})
    gate.on_base({"src/app/old.py": source})

    edited = source.replace("(text)", "(text, cwd='/')")
    old = await gate.check("security", {"src/app/old.py": None, "src/app/moved.py": edited})

    assert (new.outcome, rules_of(new)) == (Outcome.HELD, {"risky-call"})
    assert (old.outcome, rules_of(old)) == (Outcome.PASSED, set())


async def test_a_source_too_large_to_be_looked_at_is_held(gate: GateFixture) -> None:
    result = await gate.check("security", {"src/app/large.py": f"X = 1\n{'# more' * 800_000}\n"})

    assert (result.outcome, rules_of(result)) == (Outcome.HELD, {"too-large"})
