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
