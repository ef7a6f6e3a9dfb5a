from kit import append

append("pyproject.toml", '\n[[tool.mypy.overrides]]\nmodule = "larder.listing"\nignore_errors = true\n')
