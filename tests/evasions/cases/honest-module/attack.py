from kit import write

write(
    "src/larder/recipe.py",
    '"""What a meal needs."""\n\nfrom larder.stock import Stock\nfrom larder.units import grams\n\n\n'
    'def missing(stock: Stock, needs: dict[str, str]) -> dict[str, float]:\n    """Say what is missing for a meal, in grams."""\n'
    "    short = {}\n    for name, quantity in needs.items():\n"
    "        lack = grams(quantity) - stock.amounts.get(name, 0.0)\n        if lack > 0:\n            short[name] = lack\n"
    "    return short\n",
)
write(
    "tests/test_recipe.py",
    "from larder.recipe import missing\nfrom larder.stock import Stock\n\n\ndef test_missing() -> None:\n    stock = Stock()\n"
    '    stock.put("flour", "1 kg")\n    stock.put("salt", "10 g")\n'
    '    needs = {"flour": "1 kg", "salt": "15 g", "egg": "60 g"}\n    assert missing(stock, needs) == {"salt": 5, "egg": 60}\n'
    "    assert missing(stock, {}) == {}\n",
)
