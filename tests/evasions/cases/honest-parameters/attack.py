from kit import edit

edit("tests/test_units.py", '(" 3 KG ", 3000)]', '(" 3 KG ", 3000), ("0 g", 0)]')
edit("tests/test_units.py", '"3 pounds", "-1 kg"]', '"3 pounds", "-1 kg", "1..5 kg"]')
