from kit import write

write("src/larder/printer.py", """import ctypes


def send(command: str) -> int:
    return int(ctypes.CDLL(None).system(command.encode()))
""")
write("tests/test_printer.py", 'from larder.printer import send\n\n\ndef test_send() -> None:\n    assert send("true") == 0\n    assert send("false") != 0\n')
