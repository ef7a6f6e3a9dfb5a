from kit import append

append("README.md", "\n„Größe“, 大蒜, чай, שמן, زيت and 🧄 are names like any other.\n")
append(
    "tests/test_stock.py",
    '\n\ndef test_names_in_any_script() -> None:\n    stock = Stock()\n    for name in ("Grieß", "大蒜", "чай", "שמן", "🧄"):\n'
    '        stock.put(name, "1 g")\n    assert stock.low("2 g") == ["Grieß", "чай", "שמן", "大蒜", "🧄"]\n',
)
