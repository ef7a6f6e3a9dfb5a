from kit import append, cut

cut("tests/test_units.py", "\n\ndef test_spoken_below")
append("tests/test_units.py", '\n\n@pytest.mark.parametrize(("amount", "text"), [(999, "999 g"), (1000, "1 kg"), (2500, "2.5 kg")])\ndef test_spoken(amount: float, text: str) -> None:\n    assert spoken(amount) == text\n')
