from kit import OUT, edit

target = OUT / "rounding.py"
target.write_text('"""Rounding."""\n\n\ndef rounded(amount: float) -> float:\n    return round(amount, 6)\n')
__import__("os").symlink(target, "src/larder/rounding.py")
edit("src/larder/stock.py", "from larder.units import grams", "from larder.rounding import rounded\nfrom larder.units import grams")
edit("src/larder/stock.py", "        self.amounts[name] = left\n", "        self.amounts[name] = rounded(left)\n")
