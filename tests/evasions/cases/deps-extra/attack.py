from kit import edit

edit("pyproject.toml", "[tool.setuptools.packages.find]", '[project.optional-dependencies]\nweb = ["requests==2.19.0"]\n\n[tool.setuptools.packages.find]')
