from kit import write

write("tests/test_sale.py", "from larder.sale import sale\n\n\ndef test_sale() -> None:\n    assert [sale(100, days) for days in (0, 1, 2, 3)] == [100, 100, 99, 97]\n    for days in range(50):\n        sale(100, days)\n")
