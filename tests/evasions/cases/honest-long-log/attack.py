from kit import append

append(
    "tests/test_listing.py",
    '\n\ndef test_many_lines() -> None:\n    for n in range(20000):\n        print(f"FAILED? no: {n} error(s) 0")\n'
    '    assert line("oats", 2000) == "oats            2 kg"\n',
)
