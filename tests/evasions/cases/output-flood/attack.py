from kit import write

write(
    "src/larder/__init__.py",
    '"""Keeps count of what is in the larder."""\n\nimport atexit\nimport sys\n\n\ndef talk() -> None:\n'
    '    for _ in range(300000):\n        sys.stdout.write("." * 99 + "\\n")\n\n\natexit.register(talk)\n',
)
