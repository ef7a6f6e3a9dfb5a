from kit import edit

edit("tests/test_stock.py", "def test_take_all(", "def test_take_the_whole_amount_leaves_nothing(")
