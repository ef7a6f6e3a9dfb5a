from kit import edit

edit("tests/test_stock.py", "def test_take_leaves_the_rest", "def check_take_leaves_the_rest")
edit("tests/test_stock.py", "def test_take_all", "def check_take_all")
