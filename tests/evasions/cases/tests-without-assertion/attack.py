from kit import write

write("tests/test_sale.py", "from larder.sale import sale\n\n\ndef test_sale() -> None:\n    for days in range(50):\n        sale(100, days)\n")
