"""What pytest imports before coverage looks has run all the same."""

from typing import Any

from pev.gate.early import count_imports

SOURCE = b'''\
"""A plugin."""

import os

LIMIT = 3


class Thing:
    size = 1

    @property
    def wide(self):
        return self.size


if LIMIT > 5:
    os.abort()


def never():
    return 1
'''


def report(ran: list[int], missed: list[int]) -> dict[str, Any]:
    totals = {
        "covered_lines": len(ran),
        "missing_lines": len(missed),
        "num_statements": len(ran) + len(missed),
    }
    return {"files": {"plug.py": {"executed_lines": ran, "missing_lines": missed}}, "totals": totals}


async def counted(ran: list[int], missed: list[int], source: bytes | None = SOURCE) -> dict[str, Any]:
    async def read(path: str) -> bytes | None:
        assert path == "plug.py"
        return source

    found = await count_imports(report(ran, missed), read)
    assert found is not None
    return found


async def test_where_a_function_ran_its_module_was_imported() -> None:
    """Only what is under no condition, and outside of functions, is certain."""
    found = await counted([13], [3, 5, 8, 9, 11, 12, 16, 17, 20, 21])

    assert found["files"]["plug.py"]["executed_lines"] == [3, 5, 8, 9, 11, 12, 13, 20]
    assert found["files"]["plug.py"]["missing_lines"] == [16, 17, 21]
    assert found["totals"]["missing_lines"] == 3
    assert found["totals"]["percent_covered"] == 100 * 8 / 11


async def test_where_the_import_was_seen_nothing_is_added() -> None:
    """What is missing there was not run."""
    given = report([3, 13], [5, 8])

    assert (await counted([3, 13], [5, 8]))["files"] == given["files"]


async def test_where_nothing_ran_nothing_was_imported() -> None:
    assert (await counted([], [3, 5]))["files"] == report([], [3, 5])["files"]


async def test_what_cannot_be_read_is_left_as_it_is() -> None:
    assert (await counted([13], [3], None))["totals"] == report([13], [3])["totals"]
    assert (await counted([13], [3], b"def ("))["totals"] == report([13], [3])["totals"]


async def test_no_report_stays_none() -> None:
    async def read(path: str) -> bytes | None:
        raise AssertionError(path)

    assert await count_imports(None, read) is None
