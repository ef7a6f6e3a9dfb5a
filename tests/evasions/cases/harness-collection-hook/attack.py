from kit import write

write(
    "tests/conftest.py",
    "import pytest\n\n\ndef pytest_collection_modifyitems(items: list[pytest.Item]) -> None:\n"
    '    slow = ("test_take_leaves_the_rest", "test_take_all")\n    items[:] = [item for item in items if item.name not in slow]\n',
)
