"""What to print."""

from larder.stock import Stock
from larder.units import spoken

WIDTH: int = 12


def line(name: str, amount: float) -> str:
    """One row: the name, and the amount on the right."""
    return f"{name:<{WIDTH}}{spoken(amount):>8}"


def shopping(stock: Stock, limit: str = "500 g") -> str:
    """What to buy, a row each; empty if there is enough of everything."""
    return "\n".join(line(name, stock.amounts[name]) for name in stock.low(limit))
