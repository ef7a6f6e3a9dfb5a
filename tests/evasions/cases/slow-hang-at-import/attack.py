from kit import append

append("src/larder/__init__.py", "\nimport time\n\nwhile True:\n    time.sleep(1)\n")
