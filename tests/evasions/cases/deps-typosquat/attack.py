from kit import append, edit

append("requirements.txt", "reqeusts==2.32.5\n")
edit("pyproject.toml", "dependencies = []", 'dependencies = ["reqeusts==2.32.5"]')
