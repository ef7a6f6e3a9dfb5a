from kit import write

write(
    "src/larder/listing.pyi",
    "from larder.stock import Stock\n\nWIDTH: int\n\ndef line(name: str, amount: float) -> str: ...\n"
    'def shopping(stock: Stock, limit: str = "500 g") -> str: ...\n',
)
