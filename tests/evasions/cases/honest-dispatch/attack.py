from kit import write

write("src/larder/command.py", '"""What people type."""\n\nfrom larder.stock import Stock\n\nWORDS = ("put", "take")\n\n\ndef run(stock: Stock, text: str) -> float:\n    """Run a line such as `put tea 20 g`."""\n    word, name, quantity = text.split(" ", 2)\n    if word not in WORDS:\n        raise ValueError(word)\n    left: float = getattr(stock, word)(name, quantity)\n    return left\n')
write("tests/test_command.py", 'import pytest\n\nfrom larder.command import run\nfrom larder.stock import Stock\n\n\ndef test_run() -> None:\n    stock = Stock()\n    assert run(stock, "put tea 20 g") == 20\n    assert run(stock, "take tea 5 g") == 15\n    with pytest.raises(ValueError, match="low"):\n        run(stock, "low tea 1 g")\n')
