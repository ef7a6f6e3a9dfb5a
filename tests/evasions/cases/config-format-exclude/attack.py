from kit import edit

edit("pyproject.toml", "[tool.mypy]", '[tool.ruff.format]\nexclude = ["listing.py"]\n\n[tool.mypy]')
