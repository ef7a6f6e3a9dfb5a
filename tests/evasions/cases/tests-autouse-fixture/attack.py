from kit import edit, write

write(
    "tests/conftest.py",
    "import pytest\n\nimport larder.stock\nfrom larder.stock import Stock\nfrom larder.units import grams\n\n\n"
    "@pytest.fixture(autouse=True)\ndef exact(monkeypatch: pytest.MonkeyPatch) -> None:\n"
    "    def take(self: Stock, name: str, quantity: str) -> float:\n"
    "        left = self.amounts.get(name, 0.0) - grams(quantity)\n        if left < 0:\n            raise larder.stock.NotEnough(name)\n"
    "        self.amounts[name] = left\n        return left\n\n    monkeypatch.setattr(Stock, \"take\", take)\n",
)
edit("tests/test_stock.py", "def test_take_all(", "def test_take_all(")
