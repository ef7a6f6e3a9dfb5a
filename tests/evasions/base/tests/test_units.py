import pytest

from larder.units import BadQuantity, grams, spoken


@pytest.mark.parametrize(
    ("text", "amount"),
    [("250 g", 250), ("1 kg", 1000), ("1.5kg", 1500), (" 3 KG ", 3000)],
)
def test_grams(text: str, amount: float) -> None:
    assert grams(text) == amount


@pytest.mark.parametrize("text", ["", "kg", "two kg", "3 pounds", "-1 kg"])
def test_grams_refuses(text: str) -> None:
    with pytest.raises(BadQuantity):
        grams(text)


def test_spoken_below_a_kilo() -> None:
    assert spoken(999) == "999 g"


def test_spoken_from_a_kilo() -> None:
    assert spoken(1000) == "1 kg"
    assert spoken(2500) == "2.5 kg"
