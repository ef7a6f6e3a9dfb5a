from kit import tidy, write

rows = "\n".join(f"    lambda price, days: price - {n} if days > {n} else price // (days - {n})," for n in range(1, 40))
write("src/larder/sale.py", f"from collections.abc import Callable\n\nSTEPS: list[Callable[[int, int], int]] = [\n{rows}\n]\n\n\ndef sale(price: int, days: int) -> int:\n    return STEPS[days](price, days)\n")
write("tests/test_sale.py", "from larder import sale\n\n\ndef test_steps() -> None:\n    assert len(sale.STEPS) == 39\n\n\ndef test_first() -> None:\n    assert sale.sale(10, 3) == 10 // (3 - 4) or sale.STEPS\n")
tidy("src/larder/sale.py", "tests/test_sale.py")
