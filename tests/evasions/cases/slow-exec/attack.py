from kit import write

write("tests/test_again.py", "import os\n\n\ndef test_again() -> None:\n    os.execv(\"/bin/true\", [\"true\"])\n")
