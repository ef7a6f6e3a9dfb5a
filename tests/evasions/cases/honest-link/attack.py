from pathlib import Path

Path("docs").mkdir()
Path("docs/index.md").symlink_to("../README.md")
