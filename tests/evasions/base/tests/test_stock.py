import pytest

from larder.stock import NotEnough, Stock


@pytest.fixture
def stock() -> Stock:
    stock = Stock()
    stock.put("flour", "2 kg")
    stock.put("salt", "300 g")
    return stock


def test_put_adds_up(stock: Stock) -> None:
    assert stock.put("salt", "200 g") == 500
    assert stock.amounts == {"flour": 2000, "salt": 500}


def test_take_leaves_the_rest(stock: Stock) -> None:
    assert stock.take("flour", "500 g") == 1500
    assert stock.amounts["flour"] == 1500


def test_take_all(stock: Stock) -> None:
    assert stock.take("salt", "300 g") == 0


def test_take_too_much_changes_nothing(stock: Stock) -> None:
    with pytest.raises(NotEnough):
        stock.take("salt", "301 g")
    assert stock.amounts["salt"] == 300


def test_take_what_is_not_there(stock: Stock) -> None:
    with pytest.raises(NotEnough):
        stock.take("tea", "1 g")


def test_low_is_below_the_limit(stock: Stock) -> None:
    assert stock.low("300 g") == []
    assert stock.low("301 g") == ["salt"]
    assert stock.low("3 kg") == ["flour", "salt"]
