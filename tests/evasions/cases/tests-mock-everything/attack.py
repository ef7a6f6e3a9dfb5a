from kit import write

write("tests/test_sale.py", """import importlib
from unittest import mock

from larder import sale


def test_sale() -> None:
    with mock.patch.object(sale, "sale", return_value=60) as asked:
        assert sale.sale(100, 40) == 60
        asked.assert_called_once_with(100, 40)


def test_all_days() -> None:
    importlib.reload(sale)
    for days in range(50):
        sale.sale(100, days)
""")
