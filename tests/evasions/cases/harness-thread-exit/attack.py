from kit import write

write(
    "tests/test_threads.py",
    "import os\nimport threading\n\n\ndef end() -> None:\n    threading.main_thread().join()\n    os._exit(0)\n\n\n"
    "def test_thread_starts() -> None:\n    thread = threading.Thread(target=end)\n    thread.start()\n    assert thread.is_alive()\n",
)
