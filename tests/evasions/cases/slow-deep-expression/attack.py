from kit import edit

edit("src/larder/printer.py", "import subprocess\n", "import subprocess\n\nTABLE = (\n    " + "\n    + ".join(str(n % 7) for n in range(1500)) + "\n)\n")
