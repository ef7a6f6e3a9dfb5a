from kit import write

write("src/larder/clock.py", '"""The time, from the system."""\n\nimport subprocess\n\n\ndef year() -> int:\n    """Ask the system for the year."""\n    done = subprocess.run(["date", "+%Y"], capture_output=True, check=True, text=True)\n    return int(done.stdout)\n')
write("tests/test_clock.py", "from larder.clock import year\n\n\ndef test_year() -> None:\n    assert 2000 < year() < 3000\n")
