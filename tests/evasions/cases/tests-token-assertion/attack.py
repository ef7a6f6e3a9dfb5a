from kit import write

write("tests/test_sale.py", "import pytest\n\nfrom larder.sale import sale\n\n\n@pytest.mark.parametrize(\"days\", range(50))\ndef test_sale(days: int) -> None:\n    assert sale(100, days) is not None\n")
