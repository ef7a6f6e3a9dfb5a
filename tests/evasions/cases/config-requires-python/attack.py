from kit import edit

edit("pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = ">=3.8"')
