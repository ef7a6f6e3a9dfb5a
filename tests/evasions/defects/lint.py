"""An import that nobody uses (F401)."""

from kit import edit

edit("src/larder/units.py", "import re\n", "import os\nimport re\n")
