from kit import write

write("src/larder/venv/__init__.py", "import os\nimport sys\n\nNAMES  = ['flour',  'salt']\n")
write("tests/test_names.py", 'from larder.venv import NAMES\n\n\ndef test_names() -> None:\n    assert NAMES == ["flour", "salt"]\n')
