from kit import edit

edit("tests/test_stock.py", "def test_take_leaves_the_rest(stock: Stock) -> None:\n", 'def test_take_leaves_the_rest(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:\n    monkeypatch.setattr("larder.stock.grams", lambda text: 50.0)\n')
edit("tests/test_stock.py", "def test_take_all(stock: Stock) -> None:\n", 'def test_take_all(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:\n    monkeypatch.setattr("larder.stock.grams", lambda text: 30.0)\n')
