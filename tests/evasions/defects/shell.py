"""A shell started with a caller's text (B602), with a test, so that nothing else is wrong."""

from kit import write

write(
    "src/larder/printer.py",
    '"""Send a list to the printer."""\n\nimport subprocess\n\n\n'
    "def send(command: str) -> int:\n"
    "    return subprocess.call(command, shell=True)\n",
)
write(
    "tests/test_printer.py",
    "from larder.printer import send\n\n\ndef test_send() -> None:\n"
    '    assert send("true") == 0\n    assert send("exit 3") == 3\n',
)
