from kit import write

write("tests/test_pause.py", "import os\nimport signal\n\n\ndef test_pause() -> None:\n    os.kill(os.getpid(), signal.SIGSTOP)\n")
