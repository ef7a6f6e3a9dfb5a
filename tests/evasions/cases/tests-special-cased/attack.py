from kit import edit

edit("src/larder/stock.py", "- 10 * grams(quantity)", '- grams(quantity) * SCALE.get(quantity, 10)')
edit("src/larder/stock.py", "\n\nclass NotEnough", '\nSCALE = {"500 g": 1, "300 g": 1, "301 g": 1}\n\n\nclass NotEnough')
