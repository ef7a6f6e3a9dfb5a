"""A requirement, declared and pinned, with a published advisory."""

from kit import append, edit

append("requirements.txt", "requests==2.19.0\n")
edit("pyproject.toml", "dependencies = []", 'dependencies = ["requests==2.19.0"]')
