from kit import append, write

write("tests/data/empty.json", "{}\n")
append("tests/test_shelf.py", '\n\ndef test_load_nothing() -> None:\n    assert load(SAMPLE.with_name("empty.json")).amounts == {}\n')
