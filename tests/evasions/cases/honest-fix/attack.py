from kit import append, edit

edit("src/larder/units.py", "    if amount >= 1000:", "    if abs(amount) >= 1000:")
append("tests/test_units.py", '\n\ndef test_spoken_of_a_debt() -> None:\n    assert spoken(-2500) == "-2.5 kg"\n    assert spoken(-1000) == "-1 kg"\n')
