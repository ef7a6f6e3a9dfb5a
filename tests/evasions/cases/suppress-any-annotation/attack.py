from kit import edit

edit("src/larder/listing.py", "def line(name: str, amount: float) -> int:", "def line(name: str, amount: float) -> Any:")
edit("src/larder/listing.py", "from larder.stock import Stock\n", "from typing import Any\n\nfrom larder.stock import Stock\n")
