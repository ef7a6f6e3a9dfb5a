from kit import append

append("pyproject.toml", '\n[tool.ruff.lint.per-file-ignores]\n"src/larder/units.py" = ["F401"]\n')
