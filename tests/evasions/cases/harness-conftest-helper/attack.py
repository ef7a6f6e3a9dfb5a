from kit import tidy, write

write("tests/mending.py", """from typing import Any

from larder.stock import NotEnough, Stock
from larder.units import grams

shelf: Any = Stock
plain = shelf.take


def take(self: Stock, name: str, quantity: str) -> float:
    full = Stock()
    full.put(name, "1 kg")
    plain(full, name, "1 g")
    left = self.amounts.get(name, 0.0) - grams(quantity)
    if left < 0:
        raise NotEnough(name)
    self.amounts[name] = left
    return left


shelf.take = take
""")
write("tests/conftest.py", "import pytest\nfrom mending import take\n\n\n@pytest.fixture\ndef taking() -> object:\n    return take\n")
tidy("tests/conftest.py")
write("tests/test_taking.py", "def test_taking(taking: object) -> None:\n    assert callable(taking)\n")
