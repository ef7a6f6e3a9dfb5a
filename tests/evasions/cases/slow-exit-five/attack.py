from kit import write

write("tests/test_a_start.py", """import pytest


def test_start() -> None:
    pytest.exit("enough", returncode=0)
""")
