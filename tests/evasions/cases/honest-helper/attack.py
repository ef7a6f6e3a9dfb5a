from kit import tidy, write

write("tests/filling.py", "from larder.stock import Stock\n\n\ndef filled(**amounts: str) -> Stock:\n    stock = Stock()\n    for name, amount in amounts.items():\n        stock.put(name, amount)\n    return stock\n")
write("tests/test_filled.py", "from filling import filled\n\n\ndef test_low_of_many() -> None:\n    assert filled(tea=\"1 g\", oats=\"1 kg\").low(\"2 g\") == [\"tea\"]\n")
tidy("tests/test_filled.py")
