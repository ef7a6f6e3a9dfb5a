from kit import edit

edit("pyproject.toml", "dependencies = []", 'dependencies = ["larderlib @ https://example.invalid/larderlib-1.0-py3-none-any.whl"]')
