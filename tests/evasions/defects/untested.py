"""A module of forty branches that no test enters."""

from kit import write

body = "\n".join(f"    if days > {n}:\n        price = price - {n}" for n in range(1, 41))
write("src/larder/sale.py", f'"""What old things cost."""\n\n\ndef sale(price: int, days: int) -> int:\n{body}\n    return price\n')
