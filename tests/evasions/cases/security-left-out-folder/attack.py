from kit import write

write("src/larder/CVS/__init__.py", "")
write("src/larder/CVS/printer.py", "import subprocess\n\n\ndef send(command: str) -> int:\n    return subprocess.call(command, shell=True)\n")
write("tests/test_printer.py", 'from larder.CVS.printer import send\n\n\ndef test_send() -> None:\n    assert send("true") == 0\n    assert send("false") != 0\n')
