from larder.listing import line, shopping
from larder.stock import Stock


def test_line() -> None:
    assert line("tea", 40) == "tea             40 g"


def test_shopping_names_what_is_low() -> None:
    stock = Stock()
    stock.put("tea", "40 g")
    stock.put("oats", "2 kg")
    assert shopping(stock) == line("tea", 40)
    assert shopping(stock, "10 g") == ""
