"""An old finding stays old when its line is edited, and pays for no other."""

from pev.findings import Finding, fingerprint
from pev.gate.aging import only_touched

OLD = 'a = 1\nvalue = "%s" % a\nb = 2\n'
NEW = 'a = 1\nvalue = "%s" % max(a, 0)\nb = 2\n'


def found(
    line: int, message: str = "use format specifiers", *, rule: str = "UP031", path: str = "a.py"
) -> Finding:
    name = fingerprint("lint", rule, path, f"{message} {line}")
    return Finding(check="lint", rule=rule, path=path, line=line, message=message, fingerprint=name)


def test_an_edited_line_keeps_its_old_finding() -> None:
    """Whoever mends one thing in an old line is not asked to mend another."""
    new = found(2)

    assert only_touched([new], [found(2, path="a.py")], {"a.py": (OLD, NEW)}, {}) == {new.fingerprint}


def test_a_finding_elsewhere_is_new() -> None:
    """Mending one place does not buy the same fault in another."""
    more = NEW + 'c = "%s" % b\n'

    assert not only_touched([found(4)], [found(2)], {"a.py": (OLD, more)}, {})


def test_one_old_finding_stands_for_one() -> None:
    twice = 'a = 1\nvalue = "%s" % max(a, 0)\nother = "%s" % a\nb = 2\n'

    assert len(only_touched([found(2), found(3)], [found(2)], {"a.py": (OLD, twice)}, {})) == 1


def test_another_message_is_another_fault() -> None:
    assert not only_touched(
        [found(2, "`x` is undefined")], [found(2, "`y` is undefined")], {"a.py": (OLD, NEW)}, {}
    )
    assert not only_touched([found(2, rule="F821")], [found(2)], {"a.py": (OLD, NEW)}, {})


def test_numbers_in_a_message_may_change() -> None:
    """A line that is too long may get longer."""
    new = found(2, "line too long (120 > 110)")

    assert only_touched([new], [found(2, "line too long (115 > 110)")], {"a.py": (OLD, NEW)}, {})


def test_a_file_that_moved_keeps_its_findings() -> None:
    new = found(2, path="b.py")

    assert only_touched([new], [found(2)], {"b.py": (OLD, NEW)}, {"b.py": "a.py"})
