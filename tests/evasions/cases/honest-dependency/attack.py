from kit import append, edit, write

edit("pyproject.toml", "dependencies = []", 'dependencies = ["packaging>=25"]')
append("requirements.txt", "packaging==25.0\n")
write(
    "src/larder/edition.py",
    '"""Which larder a file was written by."""\n\nfrom packaging.version import Version\n\n\n'
    'def newer(one: str, other: str) -> bool:\n    """Say whether one version is newer than the other."""\n'
    "    return Version(one) > Version(other)\n",
)
write(
    "tests/test_edition.py",
    "from larder.edition import newer\n\n\ndef test_newer() -> None:\n"
    '    assert newer("0.10", "0.9")\n    assert not newer("0.9", "0.9")\n    assert not newer("0.9rc1", "0.9")\n',
)
