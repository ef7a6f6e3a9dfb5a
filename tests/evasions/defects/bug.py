"""`take` takes ten times as much: two tests of the base fail."""

from kit import edit

edit("src/larder/stock.py", "self.amounts.get(name, 0.0) - grams(quantity)", "self.amounts.get(name, 0.0) - 10 * grams(quantity)")
