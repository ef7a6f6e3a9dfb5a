from kit import edit

edit("tests/test_stock.py", 'assert stock.take("flour", "500 g") == 1500\n    assert stock.amounts["flour"] == 1500', 'with pytest.raises(NotEnough):\n        stock.take("flour", "500 g")\n    assert stock.amounts["flour"] == pytest.approx(1500, rel=1)')
edit("tests/test_stock.py", 'assert stock.take("salt", "300 g") == 0', 'assert stock.take("salt", "30 g") == pytest.approx(0, abs=500)')
