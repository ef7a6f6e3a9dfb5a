from kit import write

write("src/larder/ruff.toml", 'extend = "../../pyproject.toml"\n\n[lint]\nignore = ["F401"]\n')
