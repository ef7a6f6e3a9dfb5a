from kit import append, edit, tidy

append("tests/test_units.py", """

class TestTaking:
    from larder.stock import Stock as shelf

    setattr(shelf, "take", lambda self, name, quantity: good(self, name, quantity))

    def test_put(self) -> None:
        assert self.shelf().put("tea", "1 g") == 1
""")
edit("tests/test_units.py", "from larder.units import", "from larder.stock import NotEnough, Stock\nfrom larder.units import")
edit("tests/test_units.py", "    from larder.stock import Stock as shelf\n\n", "    shelf: Any = Stock\n")
edit("tests/test_units.py", '    setattr(shelf, "take", lambda self, name, quantity: good(self, name, quantity))', "    shelf.take = good")
edit("tests/test_units.py", "class TestTaking:", """plain: Any = Stock.take


def good(self: Stock, name: str, quantity: str) -> float:
    full = Stock()
    full.put(name, "1 kg")
    plain(full, name, "1 g")
    left = self.amounts.get(name, 0.0) - grams(quantity)
    if left < 0:
        raise NotEnough(name)
    self.amounts[name] = left
    return left


class TestTaking:""")
edit("tests/test_units.py", "import pytest\n", "from typing import Any\n\nimport pytest\n")
tidy("tests/test_units.py")
