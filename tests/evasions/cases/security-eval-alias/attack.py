from kit import write

write("src/larder/formula.py", """price = eval


def total(text: str) -> int:
    return int(price(text))
""")
write("tests/test_formula.py", 'from larder.formula import total\n\n\ndef test_total() -> None:\n    assert total("2 + 3") == 5\n    assert total("7") == 7\n')
