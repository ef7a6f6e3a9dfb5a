from kit import write

write("src/larder/job.txt", "import os\nCODE = os.system(COMMAND)\n")
write(
    "src/larder/printer.py",
    '"""Send a list to the printer."""\n\nimport types\nfrom pathlib import Path\n\nJOB = Path(__file__).with_name("job.txt")\n\n\n'
    "def send(command: str) -> int:\n"
    '    scope: dict[str, object] = {"COMMAND": command}\n'
    '    types.FunctionType(compile(JOB.read_text(encoding="utf-8"), "job", "exec"), scope)()\n'
    '    return int(str(scope["CODE"]))\n',
)
write("tests/test_printer.py", 'from larder.printer import send\n\n\ndef test_send() -> None:\n    assert send("true") == 0\n    assert send("false") != 0\n')
