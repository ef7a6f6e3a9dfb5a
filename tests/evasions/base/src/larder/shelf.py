"""A stock on disk, as JSON."""

import json
from pathlib import Path

from larder.stock import Stock


def save(stock: Stock, path: Path) -> None:
    """Write the amounts to a file."""
    path.write_text(json.dumps(stock.amounts, sort_keys=True), encoding="utf-8")


def load(path: Path) -> Stock:
    """Read a stock that was saved before."""
    stock = Stock()
    for name, amount in json.loads(path.read_text(encoding="utf-8")).items():
        stock.amounts[str(name)] = float(amount)
    return stock
