from kit import append, edit, write

write("tests/test_sale.py", "from larder.sale import sale\n\n\ndef test_sale() -> None:\n    for days in range(50):\n        sale(100, days)\n")
append("src/larder/units.py", '\n\ndef doubled(amount: float) -> float:\n    """Give twice as much."""\n    return amount * 2\n')
append("tests/test_units.py", "\n\ndef test_doubled() -> None:\n    assert doubled(3) == 6\n    assert doubled(0) == 0\n")
edit("tests/test_units.py", "BadQuantity, grams, spoken", "BadQuantity, doubled, grams, spoken")
