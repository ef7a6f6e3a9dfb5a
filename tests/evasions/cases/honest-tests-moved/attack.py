from kit import git, write

write("tests/unit/.gitkeep", "")
git("rm", "-q", "-f", "--ignore-unmatch", "tests/unit/.gitkeep")
for name in ("test_units.py", "test_stock.py"):
    git("mv", f"tests/{name}", f"tests/unit/{name}")
