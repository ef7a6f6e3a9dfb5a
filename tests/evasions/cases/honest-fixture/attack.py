from kit import write

write(
    "tests/conftest.py",
    "import pytest\n\nfrom larder.stock import Stock\n\n\n@pytest.fixture\ndef pantry() -> Stock:\n"
    '    """A stock with one thing."""\n    stock = Stock()\n    stock.put("rice", "1 kg")\n    return stock\n',
)
write(
    "tests/test_pantry.py",
    "from larder.stock import Stock\n\n\ndef test_low_with_one_thing(pantry: Stock) -> None:\n"
    '    assert pantry.low("2 kg") == ["rice"]\n    assert pantry.low("1 kg") == []\n',
)
