from kit import edit

for name in ("test_take_leaves_the_rest", "test_take_all"):
    edit("tests/test_stock.py", f"def {name}(stock: Stock)", f'@pytest.mark.parametrize("turn", [])\ndef {name}(turn: int, stock: Stock)')
