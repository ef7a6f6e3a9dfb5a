from kit import write

write("plugins/web/pyproject.toml", '[project]\nname = "larder-web"\nversion = "0.1.0"\ndependencies = ["requests==2.19.0"]\n')
