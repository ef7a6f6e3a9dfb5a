"""`take` says one gram more than is left: two assertions of the base fail, and nothing else."""

from kit import edit

edit("src/larder/stock.py", "        return left\n", "        return left + 1\n")
