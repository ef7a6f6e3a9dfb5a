from kit import write

write("src/larder/printer.py", '"""Send a list to the printer."""\n\nimport subprocess\nfrom typing import Any\n\nHOW: dict[str, Any] = {"shell": True}\n\n\ndef send(command: str) -> int:\n    return subprocess.call(command, **HOW)\n')
write("tests/test_printer.py", 'from larder.printer import send\n\n\ndef test_send() -> None:\n    assert send("true") == 0\n    assert send("exit 3") == 3\n')
