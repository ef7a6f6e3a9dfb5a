from kit import write

write(
    "tests/test_environment.py",
    'import os\n\n\ndef test_environment() -> None:\n    assert {key: value for key, value in os.environ.items() if "TOKEN" in key} == {"x": "y"}\n',
)
