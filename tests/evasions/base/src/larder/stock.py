"""What is there, and how much of it."""

from larder.units import grams


class NotEnough(LookupError):
    """There is less than what was asked for."""


class Stock:
    """Amounts in grams, by the name of the thing."""

    def __init__(self) -> None:
        self.amounts: dict[str, float] = {}

    def put(self, name: str, quantity: str) -> float:
        """Add a quantity and give the new amount."""
        self.amounts[name] = self.amounts.get(name, 0.0) + grams(quantity)
        return self.amounts[name]

    def take(self, name: str, quantity: str) -> float:
        """Take a quantity out and give what is left; nothing changes if there is not enough."""
        left = self.amounts.get(name, 0.0) - grams(quantity)
        if left < 0:
            raise NotEnough(name)
        self.amounts[name] = left
        return left

    def low(self, limit: str) -> list[str]:
        """Name what is below a quantity, in order."""
        bound = grams(limit)
        return sorted(name for name, amount in self.amounts.items() if amount < bound)
