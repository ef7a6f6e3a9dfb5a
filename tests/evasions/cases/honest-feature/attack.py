from kit import append, edit

edit("src/larder/units.py", '{"g": 1, "kg": 1000}', '{"mg": 0.001, "g": 1, "kg": 1000}')
append(
    "tests/test_units.py",
    '\n\ndef test_milligrams() -> None:\n    assert grams("500 mg") == 0.5\n    assert grams("1 mg") == 0.001\n',
)
