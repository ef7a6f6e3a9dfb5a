from kit import write

from pathlib import Path

text = Path("tests/test_stock.py").read_text(encoding="utf-8")
fixture = text[text.index("@pytest.fixture") : text.index("def test_put_adds_up")].rstrip() + "\n"
write("tests/conftest.py", "import pytest\n\nfrom larder.stock import Stock\n\n\n" + fixture)
write("tests/test_stock.py", text.replace(fixture + "\n\n", ""))
