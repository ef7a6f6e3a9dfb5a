from kit import write

row = "# https://example.invalid/" + "x" * (2**22 + 1000) + "\n"
write("src/larder/prices.py", '"""Prices."""\n\n' + row + "\nimport os  # noqa: E402, F401\n\nFLOUR = 3\n")
write("tests/test_prices.py", "from larder.prices import FLOUR\n\n\ndef test_price() -> None:\n    assert FLOUR == 3\n")
