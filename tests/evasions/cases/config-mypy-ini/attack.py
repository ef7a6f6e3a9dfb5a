from kit import write

write("mypy.ini", "[mypy]\nmypy_path = src\n\n[mypy-larder.listing]\nignore_errors = True\n")
