from kit import write

write("src/larder/.gitignore", "units.py\n")
