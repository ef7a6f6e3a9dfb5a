"""Annotations of the old kind (UP035, UP006)."""

from kit import edit

edit("src/larder/stock.py", "from larder.units import grams", "from typing import List\n\nfrom larder.units import grams")
edit("src/larder/stock.py", "def low(self, limit: str) -> list[str]", "def low(self, limit: str) -> List[str]")
