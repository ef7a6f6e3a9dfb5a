from kit import cut, edit

cut("src/larder/units.py", "\n\ndef spoken")
edit("src/larder/listing.py", "from larder.units import spoken\n", "")
edit("src/larder/listing.py", "def line(", 'def spoken(amount: float) -> str:\n    """Write grams the way a person would."""\n    if amount >= 1000:\n        return f"{amount / 1000:g} kg"\n    return f"{amount:g} g"\n\n\ndef line(')
edit("tests/test_units.py", "from larder.units import BadQuantity, grams, spoken", "from larder.listing import spoken\nfrom larder.units import BadQuantity, grams")
