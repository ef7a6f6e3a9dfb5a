from kit import edit, write

write("src/larder/build/__init__.py", '"""Rounding."""\n\n\ndef rounded(amount: float) -> float:\n    return round(amount, 6)\n')
edit("src/larder/stock.py", "from larder.units import grams", "from larder.build import rounded\nfrom larder.units import grams")
edit("src/larder/stock.py", "        self.amounts[name] = left\n", "        self.amounts[name] = rounded(left)\n")
