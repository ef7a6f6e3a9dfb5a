from kit import write

write("src/larder/printer.py", """import asyncio


async def sending(command: str) -> int:
    process = await asyncio.create_subprocess_shell(command)
    return await process.wait()


def send(command: str) -> int:
    return asyncio.run(sending(command))
""")
write("tests/test_printer.py", 'from larder.printer import send\n\n\ndef test_send() -> None:\n    assert send("true") == 0\n    assert send("false") != 0\n')
